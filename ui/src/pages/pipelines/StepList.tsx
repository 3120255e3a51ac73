import { Button } from '@mantine/core';
import type { Attempt, PipelineRunDetail, StepRun, Why } from '../../api/types';
import { at } from '../../app/paths';
import { bytes, counted, num, seconds } from '../../parts/format';
import { Go } from '../../parts/Go';
import { Long } from '../../parts/Long';
import { State } from '../../parts/State';
import { useNow } from '../../parts/Time';
import { stateOf } from '../../words';
import css from './pipelines.module.css';

interface StepListProps {
  detail: PipelineRunDetail;
  why: Why[];
  onLog: (attempt: Attempt) => void;
}

/** Each step with its bar on the run's axis of time, why it ran or was kept, and its attempts. */
export function StepList({ detail, why, onLog }: StepListProps) {
  const now = useNow();
  const order = new Map(detail.run.spec.steps.map((step, index) => [step.name, index]));
  const steps = detail.steps.toSorted((a, b) => (order.get(a.step) ?? 0) - (order.get(b.step) ?? 0));
  const start = Date.parse(detail.run.created_at);
  const end = detail.run.finished_at ? Date.parse(detail.run.finished_at) : Math.max(now, start + 1000);
  return (
    <ul className={css.steps}>
      {steps.map((step) => (
        <li key={step.step}>
          <div className="tight" style={{ gap: 3 }}>
            <span className="row">
              {step.run_id ? (
                <Go href={at.run(step.run_id)} style={{ fontWeight: 600 }}>
                  {step.step}
                </Go>
              ) : (
                <strong>{step.step}</strong>
              )}
              <State state={step.state} />
            </span>
            <span className="faint">{spec(step)}</span>
            <span className="faint">{memory(detail.attempts.filter((attempt) => attempt.step === step.step))}</span>
          </div>
          <div className="tight" style={{ gap: 5 }}>
            <Bar step={step} start={start} end={end} now={now} />
            <span className="soft">{reasonOf(step, why)}</span>
            {step.error && (
              <span style={{ color: 'var(--bad)' }}>
                <Long text={step.error} />
              </span>
            )}
          </div>
          <div className="row" style={{ justifyContent: 'flex-end', alignContent: 'start' }}>
            {detail.attempts
              .filter((attempt) => attempt.step === step.step)
              .map((attempt) => (
                <Button key={attempt.id} size="compact-xs" variant="default" onClick={() => onLog(attempt)}>
                  Log #{attempt.number}
                  {attempt.state !== 'SUCCEEDED' && `, ${stateOf(attempt.state).word.toLowerCase()}`}
                </Button>
              ))}
          </div>
        </li>
      ))}
    </ul>
  );
}

function spec(step: StepRun): string {
  const outputs = step.outputs.map((one) => {
    if (one.row_count !== null && one.row_count !== undefined)
      return `${one.kind.toLowerCase()} of ${counted(one.row_count, 'row')}`;
    const values = Object.entries(one.values ?? {});
    if (values.length) return values.map(([key, value]) => `${key} ${num(value, 3)}`).join(', ');
    return `${one.kind.toLowerCase()}${one.byte_count ? ` of ${bytes(one.byte_count)}` : ''}`;
  });
  return outputs.join(', ');
}

function memory(attempts: Attempt[]): string {
  const peak = attempts.at(-1)?.peak_bytes ?? 0;
  return peak > 0 ? `${bytes(peak)} of memory at most` : '';
}

function reasonOf(step: StepRun, why: Why[]): string {
  const reason = why.find((one) => one.step === step.step)?.reason ?? '';
  if (step.cached_from) return `Kept from run ${step.cached_from.slice(0, 8)}: nothing it depends on changed.`;
  return reason ? `Ran because ${reason.replace(/^changed: /, 'these changed: ')}` : '';
}

function Bar({ step, start, end, now }: { step: StepRun; start: number; end: number; now: number }) {
  if (!step.started_at) return <div className={css.gantt} role="img" aria-label="Not begun" />;
  const began = Date.parse(step.started_at);
  const ended = step.finished_at ? Date.parse(step.finished_at) : now;
  const share = (at: number) => Math.min(1, Math.max(0, (at - start) / (end - start)));
  const label = `from ${seconds((began - start) / 1000)}, for ${seconds((ended - began) / 1000)}`;
  return (
    <div className={css.gantt} role="img" aria-label={label} title={label}>
      <span
        data-tone={stateOf(step.state).tone}
        data-cached={step.state === 'CACHED'}
        style={{ left: `${share(began) * 100}%`, width: `${(share(ended) - share(began)) * 100}%` }}
      />
    </div>
  );
}
