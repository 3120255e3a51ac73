/** What differs between runs. Pure, so that it can be tested. */
import type { Run } from '../../api/types';

export interface Row {
  kind: 'Parameters' | 'Metrics' | 'Tags' | 'Environment' | 'Data';
  name: string;
  values: (string | number | undefined)[];
  differs: boolean;
}

const CODE = /^(mlflow\.(source|git|user|project|docker|databricks)|helicline\.(code|environment|git|pipeline|step))/;
const HIDDEN = new Set(['mlflow.runName', 'mlflow.note.content', 'mlflow.loggedModels', 'mlflow.log-model.history']);

/** Every parameter, metric, tag and input of the runs in rows; the rows that differ come first within their kind. */
export function rowsOf(runs: readonly Run[]): Row[] {
  const rows: Row[] = [];
  const add = (kind: Row['kind'], name: string, values: Row['values']) =>
    rows.push({ kind, name, values, differs: new Set(values).size > 1 });
  const keys = (of: (run: Run) => Iterable<string>) => [...new Set(runs.flatMap((run) => [...of(run)]))].sort();
  for (const key of keys((run) => Object.keys(run.params ?? {})))
    add(
      'Parameters',
      key,
      runs.map((run) => run.params?.[key]),
    );
  for (const key of keys((run) => run.metrics.map((point) => point.key)))
    add(
      'Metrics',
      key,
      runs.map((run) => latestOf(run, key)),
    );
  for (const key of keys((run) => Object.keys(run.tags ?? {})))
    if (!HIDDEN.has(key) && !patchTag(key))
      add(
        CODE.test(key) ? 'Environment' : 'Tags',
        key,
        runs.map((run) => run.tags?.[key]),
      );
  for (const name of keys((run) => run.inputs.map((input) => input.name)))
    add(
      'Data',
      name,
      runs.map((run) => run.inputs.find((input) => input.name === name)?.digest),
    );
  return rows.toSorted((a, b) => Number(b.differs) - Number(a.differs));
}

/** The metric's value; NaN comes as null, as JSON has no word for it. */
function latestOf(run: Run, key: string): number | undefined {
  const point = run.metrics.find((one) => one.key === key);
  return point && ((point.value as number | null) ?? Number.NaN);
}

export const KINDS: Row['kind'][] = ['Parameters', 'Metrics', 'Data', 'Environment', 'Tags'];

const patchTag = (key: string): boolean => /git\.diff$|\.patch$/.test(key);

/** The changes that were not committed when the run began, where somebody kept them as a tag. */
export function patchOf(run: Run): string | undefined {
  return Object.entries(run.tags ?? {}).find(([key]) => patchTag(key))?.[1];
}

export interface Axis {
  name: string;
  /** Where each run stands on it, 0 to 1; undefined where it has no value. */
  places: (number | undefined)[];
  ticks: { at: number; word: string }[];
}

const MOST_AXES = 12;

/** Axes for parallel coordinates: what differs and two runs or more have, parameters first; words stand by name. */
export function axesOf(rows: readonly Row[]): Axis[] {
  const varied = rows.filter((row) => row.differs && (row.kind === 'Parameters' || row.kind === 'Metrics'));
  const axes = varied.map(axisOf);
  return axes.filter((axis) => axis.places.filter((place) => place !== undefined).length > 1).slice(0, MOST_AXES);
}

function axisOf(row: Row): Axis {
  const numbers = row.values.map((value) =>
    value === undefined || value === '' || Number.isNaN(value) ? undefined : Number(value),
  );
  if (numbers.every((value) => value === undefined || Number.isFinite(value))) {
    const known = numbers.filter((value) => value !== undefined);
    const [low, high] = [Math.min(...known), Math.max(...known)];
    const place = (value: number) => (high > low ? (value - low) / (high - low) : 0.5);
    const ticks = high > low ? [low, (low + high) / 2, high] : [low];
    return {
      name: row.name,
      places: numbers.map((value) => (value === undefined ? undefined : place(value))),
      ticks: ticks.map((value) => ({ at: place(value), word: String(Number(value.toPrecision(3))) })),
    };
  }
  const words = [...new Set(row.values.filter((value) => value !== undefined).map(String))].sort();
  const place = (word: string) => (words.length > 1 ? words.indexOf(word) / (words.length - 1) : 0.5);
  return {
    name: row.name,
    places: row.values.map((value) => (value === undefined ? undefined : place(String(value)))),
    ticks: words
      .slice(0, 12)
      .map((word) => ({ at: place(word), word: word.length > 14 ? `${word.slice(0, 13)}…` : word })),
  };
}
