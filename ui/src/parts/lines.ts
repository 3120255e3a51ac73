/** Lines of several runs as one set of columns over a common axis. Pure, so that it can be tested. */
import { isInfinite } from './format';
import { smooth } from './smooth';

export interface DrawnLine {
  run: string;
  name: string;
  /** 0, 1, 2, …: says colour and dashes. */
  rank: number;
  x: readonly number[];
  low: readonly (number | null)[];
  high: readonly (number | null)[];
  last: readonly (number | null)[];
}

export type Columns = (number | null | undefined)[][];

const COLOURS = 10;
const DASHES: (number[] | undefined)[] = [undefined, [6, 4], [2, 3], [8, 3, 2, 3]];

export const colourOf = (rank: number): string => `--line-${(rank % COLOURS) + 1}`;
export const dashOf = (rank: number): number[] | undefined => DASHES[Math.floor(rank / COLOURS) % DASHES.length];

/** Of each line its last values, these smoothed, its least and its greatest, in the order that the chart draws them. */
export const PER_LINE = 4;

export function columnsOf(lines: readonly DrawnLine[], smoothing: number, log: boolean): [number[], ...Columns] {
  const xs = [...new Set(lines.flatMap((line) => line.x))].sort((a, b) => a - b);
  const placeOf = new Map(xs.map((x, index) => [x, index]));
  const kept = (value: number | null | undefined) =>
    value === null || value === undefined || isInfinite(value) || (log && value <= 0) ? null : value;
  const columns = lines.flatMap((line) => {
    const last = line.last.map(kept);
    return [last, smooth(last, smoothing), line.low.map(kept), line.high.map(kept)].map((values) => {
      const column: (number | null | undefined)[] = new Array(xs.length).fill(undefined);
      for (const [index, x] of line.x.entries()) column[placeOf.get(x) ?? 0] = values[index] ?? null;
      return column;
    });
  });
  return [xs, ...columns];
}

/** True where a bucket gathered values that differ, so that a band says more than the line. */
export const hasBand = (line: DrawnLine): boolean => line.low.some((low, index) => low !== line.high[index]);

/** The value of a line at the place nearest to `x`, undefined where it has none. */
export function nearest(line: DrawnLine, x: number): number | null | undefined {
  let low = 0;
  let high = line.x.length - 1;
  if (high < 0) return undefined;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((line.x[middle] ?? 0) < x) low = middle + 1;
    else high = middle;
  }
  const before = Math.max(0, low - 1);
  const closer = Math.abs((line.x[before] ?? 0) - x) <= Math.abs((line.x[low] ?? 0) - x) ? before : low;
  return line.last[closer];
}
