import { crumbsOf } from './crumbs';

/** The title of the browser's tab: the page's heading, the list that it belongs to, and the application. */
export function titleOf(heading: string, pathname: string): string {
  const list = crumbsOf(pathname)[1]?.name;
  return [heading, list !== heading && list, 'Helicline'].filter(Boolean).join(' · ');
}
