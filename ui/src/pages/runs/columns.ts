/** Which columns the runs table has, and how they are ordered. Pure, so that it can be tested. */
import type { RunKey } from '../../api/types';

export type Kind = 'metrics' | 'params' | 'tags';

export interface RunColumn {
  /** As the filter and the order of the server name it: `metrics.accuracy`. */
  id: string;
  name: string;
  kind: Kind;
  seen: number;
  varies: boolean;
}

const KINDS: Record<string, Kind> = { metric: 'metrics', param: 'params', tag: 'tags' };
const RANK: Record<Kind, number> = { metrics: 0, params: 1, tags: 2 };

/** The server's keys as columns: metrics before parameters before tags; the client's own tags last of all. */
export function columnsOf(keys: readonly RunKey[]): RunColumn[] {
  const columns = keys.flatMap((key): RunColumn[] => {
    const kind = KINDS[key.entity];
    if (!kind || key.name === 'mlflow.runName') return [];
    return [
      { id: `${kind}.${key.name}`, name: key.name, kind, seen: key.seen_count ?? 0, varies: key.varies ?? false },
    ];
  });
  const rank = (one: RunColumn) => RANK[one.kind] + (one.name.startsWith('mlflow.') ? 10 : 0);
  return columns.toSorted((a, b) => rank(a) - rank(b) || b.seen - a.seen || a.name.localeCompare(b.name));
}

const METRICS_FIRST = 5;
const PARAMS_FIRST = 3;
export const MOST_SHOWN = 60;

/** The chosen columns, or without a choice the first few of each kind that the runs have. */
export function chosen(all: RunColumn[], columns: string[] | undefined): RunColumn[] {
  if (columns !== undefined) {
    const byId = new Map(all.map((one) => [one.id, one]));
    return columns.flatMap((id) => byId.get(id) ?? []);
  }
  const first = (kind: Kind, most: number) => all.filter((one) => one.kind === kind && one.seen > 0).slice(0, most);
  return [...first('metrics', METRICS_FIRST), ...first('params', PARAMS_FIRST)];
}

/** The columns in which the runs differ; without a choice of columns every metric and parameter that does. */
export function varying(all: RunColumn[], columns: string[] | undefined): RunColumn[] {
  const from = columns === undefined ? all.filter((one) => one.kind !== 'tags') : chosen(all, columns);
  return from.filter((one) => one.seen > 0 && one.varies).slice(0, MOST_SHOWN);
}

/** Pinned columns first, in the order they were pinned. */
export function pinnedFirst(columns: RunColumn[], pinned: string[], all: RunColumn[]): RunColumn[] {
  const front = chosen(all, pinned);
  return [...front, ...columns.filter((one) => !pinned.includes(one.id))];
}

export function orderKey(column: { id: string; name: string; kind: string }): string {
  return /^[\w.]+$/.test(column.name) ? column.id : `${column.kind}.\`${column.name}\``;
}

/** A click on a column's head: descending first, then ascending. */
export function nextOrder(order: string, key: string): string {
  return order === `${key} DESC` ? `${key} ASC` : `${key} DESC`;
}
