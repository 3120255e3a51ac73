import type { Comparison, GateReport } from '../../api/types';
import { num, signed } from '../../parts/format';
import { Panel } from '../../parts/Panel';
import { Interval } from '../models/Interval';
import css from './turns.module.css';

/** What the turn improved: candidate against champion, on the same rows. */
export function Better({ report }: { report: GateReport }) {
  const { comparisons, metrics = {} } = report.evidence;
  const title = comparisons.some((one) => one.difference > 0) ? 'What improved' : 'Against the champion';
  return (
    <Panel title={title}>
      <div className={css.better}>
        {comparisons.map((one) => (
          <Against key={one.metric} one={one} champion={report.evidence.champion_number} candidate={report.number} />
        ))}
        {comparisons.length === 0 && (
          <p className="soft">
            There was no champion to compare with.{' '}
            {Object.entries(metrics)
              .map(([key, value]) => `${key} ${num(value)}`)
              .join(', ')}
          </p>
        )}
      </div>
    </Panel>
  );
}

function Against({ one, champion, candidate }: { one: Comparison; champion: number; candidate: number }) {
  const top = Math.max(one.champion, one.candidate, one.champion <= 1 && one.candidate <= 1 ? 1 : 0) || 1;
  const width = (value: number) => `${Math.max(0, (value / top) * 100)}%`;
  const better = one.difference > 0;
  return (
    <div className="tight">
      <div className="row apart">
        <h3>
          {one.metric} {one.better && <span className="faint">{one.better} is better</span>}
        </h3>
        <strong style={{ color: better ? 'var(--good)' : 'var(--bad)' }}>
          {signed(one.difference)} {better ? 'better' : one.difference < 0 ? 'worse' : 'equal'}
        </strong>
      </div>
      <div className={css.scale}>
        <span className={css.who}>champion v{champion}</span>
        <span className={css.scaleTrack}>
          <span style={{ width: width(one.champion), background: 'var(--line-strong)' }} />
        </span>
        <span className="num">{num(one.champion)}</span>
        <span className={css.who}>candidate v{candidate}</span>
        <span className={css.scaleTrack}>
          <span style={{ width: width(one.candidate), background: 'var(--brand)' }} />
        </span>
        <strong className="num">{num(one.candidate)}</strong>
      </div>
      {one.untested ? (
        <p>No test possible: {one.untested}</p>
      ) : (
        <Interval low={one.low} high={one.high} value={one.difference} />
      )}
      <p className="soft">
        On {num(one.row_count)} same rows{one.group_count ? ` in ${num(one.group_count)} groups` : ''}
        {one.only_candidate_right !== null && one.only_candidate_right !== undefined
          ? `: ${one.only_candidate_right} that only the candidate reads right, ${one.only_champion_right} only the champion.`
          : '.'}{' '}
        <span className="faint">{one.method}</span>
      </p>
    </div>
  );
}
