/** What the runs table shows, as its address says it. */
export interface RunsSearch {
  experiment?: string;
  filter?: string;
  order?: string;
  columns?: string;
  varying?: boolean;
}

export const DEFAULT_ORDER = 'attributes.start_time DESC';

const text = (value: unknown): string | undefined =>
  value === undefined || value === null || value === '' ? undefined : String(value);

export function runsSearch(given: Record<string, unknown>): RunsSearch {
  return {
    experiment: text(given.experiment),
    filter: text(given.filter),
    order: text(given.order),
    columns: text(given.columns),
    varying: given.varying === true || given.varying === 'true' ? true : undefined,
  };
}
