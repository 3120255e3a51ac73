import { percent } from '../../parts/format';
import css from './deployments.module.css';
import type { Share } from './shares';

/** How traffic is divided, as one bar: the candidate's part is striped, and everything is said in words too. */
export function TrafficBar({ shares, slim = false }: { shares: Share[]; slim?: boolean }) {
  const said = shares.map((one) => `version ${one.modelVersion} (${one.variant}) ${percent(one.share)}`).join(', ');
  return (
    <div>
      <div className={`${css.traffic} ${slim ? css.slim : ''}`} role="img" aria-label={`Traffic: ${said || 'none'}`}>
        {shares
          .filter((one) => one.share > 0)
          .map((one) => (
            <span
              key={one.revision}
              className={css.share}
              data-variant={one.variant}
              style={{ flexGrow: one.share, flexBasis: 0 }}
            >
              {!slim && one.share > 0.08 && `v${one.modelVersion}, ${percent(one.share)}`}
            </span>
          ))}
      </div>
      {!slim && (
        <div className={css.legend}>
          {shares.map((one) => (
            <span key={one.revision}>
              <i className={css.swatch} data-variant={one.variant} />
              version {one.modelVersion}, {one.variant}, {percent(one.share)}
            </span>
          ))}
        </div>
      )}
    </div>
  );
}
