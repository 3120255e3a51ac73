/** What the pages of runs show, as their addresses say it. */

export interface ChartView {
  axis: 'step' | 'time' | 'relative';
  log: boolean;
  smooth: number;
  from?: number;
  to?: number;
}

export interface ChartSearch {
  axis?: 'time' | 'relative';
  log?: boolean;
  smooth?: number;
  from?: number;
  to?: number;
  table?: boolean;
  metric?: string;
}

export interface RunSearch extends ChartSearch {
  path?: string;
}

export interface CompareSearch extends ChartSearch {
  ids?: string;
  same?: boolean;
  path?: string;
}

const text = (value: unknown): string | undefined =>
  value === undefined || value === null || value === '' ? undefined : String(value);
const flag = (value: unknown): true | undefined => (value === true || value === 'true' ? true : undefined);
const number = (value: unknown): number | undefined =>
  value !== undefined && value !== '' && Number.isFinite(Number(value)) ? Number(value) : undefined;

function chartSearch(given: Record<string, unknown>): ChartSearch {
  const smooth = number(given.smooth);
  return {
    axis: given.axis === 'time' || given.axis === 'relative' ? given.axis : undefined,
    log: flag(given.log),
    smooth: smooth && smooth > 0 && smooth < 1 ? smooth : undefined,
    from: number(given.from),
    to: number(given.to),
    table: flag(given.table),
    metric: text(given.metric),
  };
}

export const runSearch = (given: Record<string, unknown>): RunSearch => ({
  ...chartSearch(given),
  path: text(given.path),
});

export const compareSearch = (given: Record<string, unknown>): CompareSearch => ({
  ...chartSearch(given),
  ids: text(given.ids),
  same: flag(given.same),
  path: text(given.path),
});

export const viewOf = (search: ChartSearch): ChartView => ({
  axis: search.axis ?? 'step',
  log: search.log ?? false,
  smooth: search.smooth ?? 0,
  from: search.from,
  to: search.to,
});
