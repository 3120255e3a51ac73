import { Outlet, useLocation } from '@tanstack/react-router';
import { lazy, Suspense, useLayoutEffect, useState } from 'react';
import { useHasMessages } from '../parts/notify';
import { ConnectionNotice } from './ConnectionNotice';
import { crumbsOf } from './crumbs';
import { useShortcuts } from './keys';
import { Rail } from './Rail';
import css from './shell.module.css';
import { TopBar } from './TopBar';
import { titleOf } from './title';

const Palette = lazy(() => import('./Palette'));
const Messages = lazy(() => import('./Messages'));
const KeySheet = lazy(() => import('./KeySheet'));

export function Shell() {
  const [palette, setPalette] = useState(false);
  const [sheet, setSheet] = useState(false);
  const { pathname } = useLocation();
  useLayoutEffect(() => {
    document.title = titleOf(crumbsOf(pathname).at(-1)?.name ?? '', pathname);
  }, [pathname]);
  const hasMessages = useHasMessages();
  useShortcuts({ openPalette: () => setPalette(true), openSheet: () => setSheet(true) });
  return (
    <div className={css.shell}>
      <a className={css.skip} href="#main">
        Skip to the page
      </a>
      <Rail />
      <div className={css.column}>
        <TopBar onSearch={() => setPalette(true)} onKeys={() => setSheet(true)} />
        <main id="main" tabIndex={-1} className={css.main}>
          <ConnectionNotice />
          <Outlet />
        </main>
      </div>
      <Suspense>
        {hasMessages && <Messages />}
        {palette && <Palette onClose={() => setPalette(false)} />}
        {sheet && <KeySheet onClose={() => setSheet(false)} />}
      </Suspense>
    </div>
  );
}
