import type { GuardReading, Rollout } from '../../api/types';
import { num, percent, seconds } from '../../parts/format';
import { State } from '../../parts/State';
import { Took } from '../../parts/Time';
import { guardSentence } from '../../words';
import css from './deployments.module.css';

/** The steps of a rollout, planned and done, with what each guard read. */
export function Steps({ rollout }: { rollout: Rollout }) {
  const done = new Map(rollout.steps.map((step) => [step.index, step]));
  const over = rollout.finished_at !== null && rollout.finished_at !== undefined;
  return (
    <ol className={css.steps}>
      {rollout.plan.steps.map((plan, index) => {
        const record = done.get(index);
        const current = !over && index === rollout.step;
        const word = current
          ? 'Now'
          : record
            ? 'Done'
            : over
              ? rollout.state === 'SUCCEEDED'
                ? 'Skipped'
                : 'Not reached'
              : 'To come';
        return (
          // biome-ignore lint/suspicious/noArrayIndexKey: steps are fixed by the plan
          <li key={index} className={css.step} data-current={current} data-reached={record !== undefined}>
            <div className={css.stepHead}>
              <strong className={css.weight}>{percent(plan.weight_bp / 10000)}</strong>
              <State state={current ? 'PROGRESSING' : record ? 'SUCCEEDED' : 'PENDING'} word={word} plain />
              <span className="soft">
                {record ? (
                  <Took from={record.entered_at} to={record.left_at ?? rollout.finished_at} />
                ) : (
                  `at least ${plan.min_requests} calls and ${seconds(plan.min_s)}`
                )}
              </span>
            </div>
            {record?.readings.map((reading) => (
              <Reading key={reading.guard.kind + reading.guard.metric} reading={reading} />
            ))}
          </li>
        );
      })}
    </ol>
  );
}

function Reading({ reading }: { reading: GuardReading }) {
  const { log_evidence: evidence, log_threshold: threshold } = reading;
  return (
    <div className={css.reading}>
      <State state={reading.outcome} />
      <div className="tight" style={{ gap: 2 }}>
        <span>{guardSentence(reading.guard)}</span>
        <span className="soft">{reading.reason}</span>
        {reading.stable_mean !== null && reading.stable_mean !== undefined && (
          <span className="faint">
            stable {mean(reading.stable_mean, reading.stable_count)}, candidate{' '}
            {mean(reading.candidate_mean, reading.candidate_count)}
          </span>
        )}
        {evidence !== null && evidence !== undefined && threshold !== null && threshold !== undefined && (
          <Evidence of={EVIDENCE[reading.guard.kind] ?? 'harm'} evidence={evidence} threshold={threshold} />
        )}
      </div>
    </div>
  );
}

const mean = (value: number | null | undefined, count: number): string =>
  value === null || value === undefined ? `${num(count)} calls` : `${num(value)} of ${num(count)}`;

const EVIDENCE: Record<string, string> = { better: 'better', split: 'wrong shares' };

/** How much evidence of harm there is against what would end the rollout; of an A/B test, also for what would ship. */
function Evidence({ of, evidence, threshold }: { of: string; evidence: number; threshold: number }) {
  const share = Math.min(1, Math.max(0, evidence / threshold));
  const label = `evidence of ${of}: ${evidence.toFixed(2)} of ${threshold.toFixed(2)} (log)`;
  return (
    <div className={css.evidence} role="img" aria-label={label} title={label}>
      <span className={css.evidenceTrack}>
        <span data-over={evidence >= threshold} data-good={of === 'better'} style={{ width: `${share * 100}%` }} />
      </span>
      <span className="faint">
        {of} {evidence.toFixed(2)} of {threshold.toFixed(2)}
      </span>
    </div>
  );
}
