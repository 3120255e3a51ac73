import type { PipelineRunDetail, Rollout, StepRun, Turn } from '../../api/types';
import { at, pageOf } from '../../app/paths';
import { percent, seconds } from '../../parts/format';
import { Go } from '../../parts/Go';
import { State } from '../../parts/State';
import { useNow } from '../../parts/Time';
import { LEGS } from '../../words';
import { type Axis, axisOf, type Span, spansOf, ticksOf } from './legs';
import css from './turns.module.css';

interface Sub {
  key: string;
  name: string;
  start: number;
  end: number;
  cached?: boolean;
  note?: string;
}

interface TimelineProps {
  turn: Turn;
  pipeline: PipelineRunDetail | undefined;
  rollout: Rollout | undefined;
  model: string;
  deployment: string;
}

/** The turn on one axis of time: a bar for each leg, under it the steps it was made of. */
export function Timeline({ turn, pipeline, rollout, model, deployment }: TimelineProps) {
  const now = useNow();
  const spans = spansOf(turn, now);
  const axis = axisOf(turn, spans, now);
  const total = (axis.end - axis.start) / 1000;
  return (
    <section className={css.timeline} aria-label="Legs of the turn">
      <div className={css.cell}>
        <span className="faint">seconds since its cause</span>
      </div>
      <div className={css.axis}>
        {ticksOf(total).map((tick) => (
          <span key={tick} className={css.tick} style={{ left: `${(tick / total) * 100}%` }}>
            {tick < 120 ? `${tick} s` : seconds(tick)}
          </span>
        ))}
      </div>
      <div />
      {spans.map((span) => (
        <LegRow
          key={span.leg.name + span.leg.started_at}
          span={span}
          axis={axis}
          total={total}
          subs={subsOf(span, pipeline, rollout, now)}
          subject={<Subject span={span} turn={turn} model={model} deployment={deployment} />}
        />
      ))}
    </section>
  );
}

function LegRow({
  span,
  axis,
  total,
  subs,
  subject,
}: {
  span: Span;
  axis: Axis;
  total: number;
  subs: Sub[];
  subject: React.ReactNode;
}) {
  const left = axis.at(span.start);
  return (
    <>
      <div className={css.rowLine} />
      <div className={css.cell} data-leg={span.leg.name}>
        <div className={css.legName}>
          <i />
          {LEGS[span.leg.name] ?? span.leg.name}
        </div>
        <div className={css.subject}>{subject}</div>
      </div>
      <div className={css.lane} data-leg={span.leg.name}>
        {ticksOf(total).map((tick) => (
          <span key={tick} className={css.grid} style={{ left: `${(tick / total) * 100}%` }} />
        ))}
        <div
          className={css.bar}
          data-live={span.live}
          style={{ left: `${left * 100}%`, width: `${(axis.at(span.end) - left) * 100}%` }}
        />
        {subs.length > 0 && (
          <div className={css.subs}>
            {subs.map((sub) => (
              <SubRow key={sub.key} sub={sub} axis={axis} />
            ))}
          </div>
        )}
      </div>
      <div className={css.took}>{seconds(span.seconds)}</div>
    </>
  );
}

function SubRow({ sub, axis }: { sub: Sub; axis: Axis }) {
  const left = axis.at(sub.start);
  const right = axis.at(sub.end);
  const before = right > 0.62;
  return (
    <div className={css.sub}>
      <div
        className={css.subBar}
        data-cached={sub.cached}
        style={{ left: `${left * 100}%`, width: `${(right - left) * 100}%` }}
      />
      <span className={css.subName} data-before={before} style={{ left: `${(before ? left : right) * 100}%` }}>
        {sub.name}
        {sub.note && ` · ${sub.note}`}
      </span>
    </div>
  );
}

function subsOf(span: Span, pipeline: PipelineRunDetail | undefined, rollout: Rollout | undefined, now: number): Sub[] {
  if (span.leg.name === 'train' && pipeline) {
    return pipeline.steps
      .filter((step) => step.started_at || step.state === 'CACHED')
      .map((step) => stepSub(step, span, now))
      .sort((a, b) => a.start - b.start);
  }
  if (span.leg.name === 'rollout' && rollout) {
    return rollout.steps.map((step) => {
      const start = Date.parse(step.entered_at);
      const end = step.left_at ? Date.parse(step.left_at) : rollout.finished_at ? Date.parse(rollout.finished_at) : now;
      return {
        key: String(step.index),
        name: percent(step.weight_bp / 10000),
        start,
        end,
        note: seconds((end - start) / 1000),
      };
    });
  }
  return [];
}

function stepSub(step: StepRun, span: Span, now: number): Sub {
  const cached = step.state === 'CACHED';
  const start = Date.parse(step.started_at ?? step.finished_at ?? new Date(span.start).toISOString());
  const end = step.finished_at ? Date.parse(step.finished_at) : cached ? start : now;
  return {
    key: step.step,
    name: step.step,
    start,
    end,
    cached,
    note: cached ? 'cached' : seconds((end - start) / 1000),
  };
}

function Subject({ span, turn, model, deployment }: { span: Span; turn: Turn; model: string; deployment: string }) {
  const { leg } = span;
  const result =
    leg.result && leg.result !== leg.subject ? <span className="soft">{leg.result.replaceAll('_', ' ')}</span> : null;
  if (leg.name === 'train' && turn.pipeline_run) {
    const detail = leg.detail as { steps?: number; cached?: number };
    return (
      <>
        <Go href={at.pipelineRun(turn.pipeline_run)}>pipeline run</Go> {result}
        {detail.steps !== undefined && (
          <span className="soft">
            , {detail.steps} steps{detail.cached ? `, ${detail.cached} cached` : ''}
          </span>
        )}
      </>
    );
  }
  if ((leg.name === 'register' || leg.name === 'gate' || leg.name === 'approve') && turn.model_version)
    return (
      <>
        <Go href={at.version(model, turn.model_version)}>
          {model}/{turn.model_version}
        </Go>{' '}
        {result}
      </>
    );
  if (leg.name === 'rollout')
    return (
      <>
        <Go href={(leg.subject && pageOf('rollout', leg.subject)) || at.deployment(deployment)}>
          {leg.subject || deployment}
        </Go>{' '}
        {result}
      </>
    );
  if (leg.name === 'data' && turn.dataset_version.includes('@')) {
    const [name = '', version = ''] = turn.dataset_version.split('@');
    return <Go href={at.dataset(name, version)}>{turn.dataset_version}</Go>;
  }
  return leg.result ? <State state={leg.result} word={leg.result} plain /> : null;
}
