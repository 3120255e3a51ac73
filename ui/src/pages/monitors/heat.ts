/** A monitor's windows as a grid of features and times. Pure, so that it can be tested. */
import type { Finding, MonitorDetail, Window } from '../../api/types';

export interface HeatGrid {
  columns: string[];
  windows: Window[];
  /** The finding of a column in a window, if that window could be judged. */
  at: (column: number, window: number) => Finding | undefined;
}

/** Whether a finding is the result of a test, and does not say why a column has none. */
export const isTested = (finding: Finding): boolean => finding.statistic !== 'not_tested';

export function gridOf(windows: Window[], order: 'name' | 'worst'): HeatGrid {
  const tested = (window: Window) => window.findings.filter(isTested);
  const byWindow = windows.map((window) => new Map(tested(window).map((one) => [one.column, one])));
  const worst = new Map<string, number>();
  for (const window of windows)
    for (const one of tested(window)) worst.set(one.column, Math.max(worst.get(one.column) ?? -Infinity, one.value));
  const columns = [...worst.keys()].sort((a, b) =>
    order === 'worst' ? (worst.get(b) ?? 0) - (worst.get(a) ?? 0) : a.localeCompare(b, 'en', { numeric: true }),
  );
  return { columns, windows, at: (column, window) => byWindow[window]?.get(columns[column] ?? '') };
}

const judgedAt = (window: Window): string => window.judged_at ?? window.end;

export const STOPS = ['--heat-0', '--heat-1', '--heat-2', '--heat-3', '--heat-4'] as const;

/** Which stop of the scale a value is at, 0 to 4: the gate is 1, critical is 2, and each doubling is one more. */
export function heatOf(value: number, gate: number, critical: number): number {
  if (value <= 0) return 0;
  if (value < gate) return value / gate;
  if (value < critical) return 1 + (value - gate) / (critical - gate);
  return Math.min(4, 2 + Math.log2(value / critical) / 2);
}

/** A colour between two stops, channel by channel. */
export function mix(from: string, to: string, share: number): string {
  const channel = (hex: string, at: number) => Number.parseInt(hex.slice(at, at + 2), 16);
  const parts = [1, 3, 5].map((at) => Math.round(channel(from, at) * (1 - share) + channel(to, at) * share));
  return `rgb(${parts.join(' ')})`;
}

export function colourAt(heat: number, stops: readonly string[]): string {
  const below = Math.min(stops.length - 2, Math.max(0, Math.floor(heat)));
  return mix(stops[below] ?? '#000000', stops[below + 1] ?? '#000000', Math.min(1, Math.max(0, heat - below)));
}

/** What was there, with what came since; the newest `most` windows of each monitor. */
export function merged(before: MonitorDetail[], since: MonitorDetail[], most: number): MonitorDetail[] {
  const id = (one: MonitorDetail) => `${one.monitor.deployment}:${one.monitor.name}`;
  const old = new Map(before.map((one) => [id(one), one.windows]));
  return since.map((one) => {
    const windows = new Map([...(old.get(id(one)) ?? []), ...one.windows].map((window) => [window.end, window]));
    const ordered = [...windows.values()].sort((a, b) => Date.parse(judgedAt(a)) - Date.parse(judgedAt(b)));
    return { ...one, windows: ordered.slice(-most) };
  });
}
