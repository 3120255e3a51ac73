/** The legs of a turn laid on one axis of time. Pure, so that it can be tested. */
import type { Leg, Turn } from '../../api/types';

export interface Span {
  leg: Leg;
  start: number;
  end: number;
  seconds: number;
  live: boolean;
}

export interface Axis {
  start: number;
  end: number;
  /** Where a moment stands on the axis, 0 to 1. */
  at: (moment: number) => number;
}

/** Legs in order, a leg that only prepared the next one of its name joined with it. */
export function joined(legs: readonly Leg[]): Leg[] {
  const found: Leg[] = [];
  for (const leg of legs) {
    const last = found.at(-1);
    if (last && last.name === leg.name && last.finished_at && (!last.subject || last.subject === leg.subject)) {
      found[found.length - 1] = { ...leg, started_at: last.started_at };
    } else found.push(leg);
  }
  return found;
}

export function spansOf(turn: Turn, now: number): Span[] {
  return joined(turn.legs).map((leg) => {
    const start = Date.parse(leg.started_at);
    const finished = leg.finished_at ?? turn.finished_at;
    const end = Math.max(start, finished ? Date.parse(finished) : now);
    return { leg, start, end, seconds: (end - start) / 1000, live: !finished };
  });
}

export function axisOf(turn: Turn, spans: Span[], now: number): Axis {
  const start = Math.min(Date.parse(turn.created_at), ...spans.map((span) => span.start));
  const last = turn.finished_at ? Date.parse(turn.finished_at) : Math.max(now, start + 1000);
  const end = Math.max(last, start + 1, ...spans.map((span) => span.end));
  return { start, end, at: (moment) => Math.min(1, Math.max(0, (moment - start) / (end - start))) };
}

const STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400, 43200, 86400];

/** Round seconds for at most `most` ticks. */
export function ticksOf(seconds: number, most = 8): number[] {
  const step = STEPS.find((one) => seconds / one <= most) ?? Math.ceil(seconds / most / 86400) * 86400;
  const count = Math.floor(seconds / step + 1e-9);
  return Array.from({ length: count + 1 }, (_, index) => Math.round(index * step * 1000) / 1000);
}
