import { useEffect, useState } from 'react';
import type { DeploymentDetail } from '../../api/types';
import { between, type Tally, tallyOf } from './shares';

interface Sample {
  at: number;
  session: string;
  tallies: Map<number, Tally>;
}

export interface Rate {
  perSecond: number;
  errors: number;
  requests: number;
  latency: Map<number, number>;
}

const KEPT = 60;
const SPAN_MS = 6000;

/** Rates of each revision from the counts as they come in: over the last seconds, and as a line over minutes. */
export function useRates(detail: DeploymentDetail): { rates: Map<number, Rate>; history: Map<number, number[]> } {
  const [samples, setSamples] = useState<Sample[]>([]);
  const sighting = detail.gateways[0];
  const seenAt = sighting?.seen_at;
  // biome-ignore lint/correctness/useExhaustiveDependencies: a report is new when its time is
  useEffect(() => {
    if (!sighting || !seenAt) return;
    const numbers = new Set(detail.counts.map((one) => one.revision));
    const tallies = new Map([...numbers].map((number) => [number, tallyOf(detail.counts, number)]));
    const sample = { at: Date.parse(seenAt), session: sighting.session, tallies };
    setSamples((before) => {
      const kept = before.filter((one) => one.session === sample.session && one.at < sample.at);
      return [...kept, sample].slice(-KEPT);
    });
  }, [seenAt]);
  return { rates: ratesOf(samples), history: historyOf(samples) };
}

function ratesOf(samples: Sample[]): Map<number, Rate> {
  const last = samples.at(-1);
  const first = samples.find((one) => last && last.at - one.at <= SPAN_MS) ?? samples[0];
  const rates = new Map<number, Rate>();
  if (!last || !first || first === last) return rates;
  const span = (last.at - first.at) / 1000;
  for (const [revision, after] of last.tallies) {
    const passed = between(first.tallies.get(revision) ?? NOTHING, after);
    rates.set(revision, { ...passed, perSecond: passed.requests / span });
  }
  return rates;
}

const NOTHING: Tally = { requests: 0, errors: 0, latency: new Map() };

function historyOf(samples: Sample[]): Map<number, number[]> {
  const history = new Map<number, number[]>();
  for (let index = 1; index < samples.length; index += 1) {
    const [before, after] = [samples[index - 1], samples[index]];
    if (!before || !after) continue;
    for (const [revision, tally] of after.tallies) {
      const passed = between(before.tallies.get(revision) ?? NOTHING, tally);
      const line = history.get(revision) ?? [];
      line.push(passed.requests / Math.max(0.001, (after.at - before.at) / 1000));
      history.set(revision, line);
    }
  }
  return history;
}
