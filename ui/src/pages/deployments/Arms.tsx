import type { DeploymentDetail } from '../../api/types';
import { num, percent } from '../../parts/format';
import { Sparkline } from '../../parts/Sparkline';
import { State } from '../../parts/State';
import css from './deployments.module.css';
import { quantile, type Share, tallyOf } from './shares';
import { useRates } from './useRates';

/** Live rate, errors and latency of each version that serves, side by side. */
export function Arms({ detail, shares }: { detail: DeploymentDetail; shares: Share[] }) {
  const { rates, history } = useRates(detail);
  return (
    <div className={css.arms}>
      {shares.map((share) => {
        const revision = detail.revisions.find((one) => one.number === share.revision);
        const rate = rates.get(share.revision);
        const all = tallyOf(detail.counts, share.revision);
        const latency = rate?.requests ? rate.latency : all.latency;
        const line = history.get(share.revision) ?? [];
        return (
          <div key={share.revision} className={css.arm} aria-label={`Version ${share.modelVersion}`} role="group">
            <div className="row apart">
              <h3>
                Version {share.modelVersion} <span className="soft">{share.variant}</span>
              </h3>
              {revision && <State state={revision.state} />}
            </div>
            <dl className={css.armFigures}>
              <Figure name="Calls/s" value={rate ? num(rate.perSecond, 3) : '–'} />
              <Figure name="Errors" value={percent(all.requests ? all.errors / all.requests : 0, 2)} />
              <Figure name="p50" value={ms(quantile(latency, 0.5))} />
              <Figure name="p99" value={ms(quantile(latency, 0.99))} />
            </dl>
            <div style={{ color: share.variant === 'candidate' ? 'var(--busy)' : 'var(--brand)' }}>
              <Sparkline
                values={line.length > 1 ? line : [0, 0]}
                label={`Calls per second of version ${share.modelVersion}`}
              />
            </div>
            <span className="faint">{num(all.requests)} calls since the gateway started</span>
          </div>
        );
      })}
    </div>
  );
}

const ms = (value: number | null): string => (value === null ? '–' : `${num(value, 2)} ms`);

function Figure({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <dt className="soft">{name}</dt>
      <dd style={{ fontSize: 16, fontWeight: 600 }}>{value}</dd>
    </div>
  );
}
