/** What the runs table shows, as its address says it. */

export interface RunsSearch {
  experiment?: string;
  filter?: string;
  order?: string;
  columns?: string;
  pinned?: string;
  varying?: boolean;
  group?: string;
  view?: 'archived';
  sel?: string;
}

export const DEFAULT_ORDER = 'attributes.start_time DESC';
export const MOST_SELECTED = 400;

const text = (value: unknown): string | undefined =>
  value === undefined || value === null || value === '' ? undefined : String(value);

export function runsSearch(given: Record<string, unknown>): RunsSearch {
  return {
    experiment: text(given.experiment),
    filter: text(given.filter),
    order: text(given.order),
    columns: given.columns === '' ? '' : text(given.columns),
    pinned: text(given.pinned),
    varying: given.varying === true || given.varying === 'true' ? true : undefined,
    group: text(given.group),
    view: given.view === 'archived' ? 'archived' : undefined,
    sel: text(given.sel),
  };
}

/** Column ids in one text: keys may hold a comma, so it is escaped. */
export const joined = (ids: readonly string[]): string =>
  ids.map((id) => id.replace(/[%,]/g, encodeURIComponent)).join(',');
export const parted = (ids: string | undefined): string[] => (ids ? ids.split(',').map(decoded) : []);

function decoded(id: string): string {
  try {
    return decodeURIComponent(id);
  } catch {
    return id;
  }
}

/** The filter with one more clause. */
export function narrowed(filter: string | undefined, clause: string): string {
  return filter ? `${filter} AND ${clause}` : clause;
}
