/** Which columns the runs table has, and what stands in them. Pure, so that it can be tested. */
import type { Run } from '../../api/types';

export interface RunColumn {
  /** As the filter and the order of the server name it: `metrics.accuracy`. */
  id: string;
  name: string;
  kind: 'metrics' | 'params';
}

export function cellOf(run: Run, column: RunColumn): number | string | undefined {
  if (column.kind === 'params') return run.params?.[column.name];
  return run.metrics.find((point) => point.key === column.name)?.value;
}

/** Every metric and parameter of the runs, those that most runs have first. */
export function columnsOf(runs: readonly Run[]): RunColumn[] {
  const counts = new Map<string, RunColumn & { count: number }>();
  const add = (kind: RunColumn['kind'], name: string) => {
    const id = `${kind}.${name}`;
    const found = counts.get(id) ?? { id, name, kind, count: 0 };
    found.count += 1;
    counts.set(id, found);
  };
  for (const run of runs) {
    for (const point of run.metrics) add('metrics', point.key);
    for (const name of Object.keys(run.params ?? {})) add('params', name);
  }
  return [...counts.values()]
    .sort((a, b) => a.kind.localeCompare(b.kind) || b.count - a.count || a.name.localeCompare(b.name))
    .map(({ id, name, kind }) => ({ id, name, kind }));
}

const METRICS_FIRST = 5;
const PARAMS_FIRST = 3;

/** The chosen columns, or without a choice the first few of each kind. */
export function chosen(all: RunColumn[], columns: string | undefined): RunColumn[] {
  if (columns !== undefined) {
    const wanted = columns.split(',');
    return wanted.flatMap((id) => all.filter((column) => column.id === id));
  }
  const first = (kind: RunColumn['kind'], most: number) => all.filter((one) => one.kind === kind).slice(0, most);
  return [...first('metrics', METRICS_FIRST), ...first('params', PARAMS_FIRST)];
}

/** The columns in which the runs differ. */
export function varying(columns: RunColumn[], runs: readonly Run[]): RunColumn[] {
  return columns.filter((column) => new Set(runs.map((run) => cellOf(run, column))).size > 1);
}

export function orderKey(column: { id: string; name: string; kind: string }): string {
  return /^[\w.]+$/.test(column.name) ? column.id : `${column.kind}.\`${column.name}\``;
}

/** A click on a column's head: descending first, then ascending. */
export function nextOrder(order: string, key: string): string {
  return order === `${key} DESC` ? `${key} ASC` : `${key} DESC`;
}
