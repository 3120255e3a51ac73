/** Who takes which part of a deployment's traffic now. Pure, so that it can be tested. */
import type { DeploymentDetail, VariantCounts } from '../../api/types';

export interface Share {
  revision: number;
  modelVersion: number;
  variant: 'stable' | 'candidate';
  share: number;
}

export function sharesOf(detail: DeploymentDetail): Share[] {
  const { deployment, revisions, rollout } = detail;
  const versionOf = (number: number) => revisions.find((one) => one.number === number)?.model_version ?? 0;
  const weight = rollout ? weightOf(detail) : 0;
  const shares: Share[] = [];
  if (deployment.stable)
    shares.push({
      revision: deployment.stable,
      modelVersion: versionOf(deployment.stable),
      variant: 'stable',
      share: 1 - weight,
    });
  if (rollout && rollout.candidate !== deployment.stable)
    shares.push({
      revision: rollout.candidate,
      modelVersion: versionOf(rollout.candidate),
      variant: 'candidate',
      share: weight,
    });
  return shares;
}

function weightOf({ rollout }: DeploymentDetail): number {
  if (!rollout || rollout.state === 'PREPARING' || rollout.state === 'ROLLING_BACK') return 0;
  if (rollout.state === 'PROMOTING') return 1;
  const step = rollout.steps.findLast((one) => one.index === rollout.step) ?? rollout.steps.at(-1);
  return (step?.weight_bp ?? 0) / 10000;
}

export interface Tally {
  requests: number;
  errors: number;
  latency: Map<number, number>;
}

/** The counts of one revision over all stages of all rollouts. */
export function tallyOf(counts: readonly VariantCounts[], revision: number): Tally {
  const tally: Tally = { requests: 0, errors: 0, latency: new Map() };
  for (const one of counts) {
    if (one.revision !== revision) continue;
    tally.requests += one.requests;
    tally.errors += one.errors;
    for (const [bound, calls] of Object.entries(one.latency_us ?? {}))
      tally.latency.set(Number(bound), (tally.latency.get(Number(bound)) ?? 0) + calls);
  }
  return tally;
}

/** What came between two tallies; a restarted gateway counts from 0, then only the later one speaks. */
export function between(before: Tally, after: Tally): Tally {
  if (after.requests < before.requests) return after;
  const latency = new Map(
    [...after.latency].map(([bound, calls]) => [bound, calls - (before.latency.get(bound) ?? 0)]),
  );
  return { requests: after.requests - before.requests, errors: after.errors - before.errors, latency };
}

/** The latency in ms that a share of the calls stayed under, as the upper bound of its bucket. */
export function quantile(latency: ReadonlyMap<number, number>, share: number): number | null {
  const buckets = [...latency].filter(([, calls]) => calls > 0).sort(([a], [b]) => a - b);
  const total = buckets.reduce((sum, [, calls]) => sum + calls, 0);
  let passed = 0;
  for (const [bound, calls] of buckets) {
    passed += calls;
    if (passed >= share * total) return bound / 1000;
  }
  return null;
}
