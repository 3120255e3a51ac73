import { useQuery } from '@tanstack/react-query';
import * as ask from '../../api/queries';
import type { Alert, Histogram } from '../../api/types';
import { num, percent } from '../../parts/format';
import { Panel } from '../../parts/Panel';
import { alertId } from './AlertsPage';
import css from './histograms.module.css';

const WIDTH = 240;
const HEIGHT = 90;

/** The columns of an alert in the reference and in its newest window: the reference as an area, the window as bars. */
export function Histograms({ alert }: { alert: Alert }) {
  const { data: shown = [] } = useQuery(ask.histograms(alertId(alert)));
  if (!shown.length) return null;
  return (
    <Panel
      title="What came in"
      aside={
        <span className={css.legend}>
          <i data-side="reference" /> reference <i data-side="window" /> newest window
        </span>
      }
    >
      <div className={css.grid}>
        {shown.map((one) => (
          <Column key={one.column} of={one} />
        ))}
      </div>
    </Panel>
  );
}

function Column({ of }: { of: Histogram }) {
  return (
    <figure className={css.figure}>
      <figcaption className="row apart">
        <span className="mono">{of.column}</span>
        <span className="faint">{missingWords(of)}</span>
      </figcaption>
      {of.kind === 'number' ? <Bars of={of} /> : <Categories of={of} />}
      {of.window_count === 0 && <p className="soft">No value of it came in.</p>}
    </figure>
  );
}

function missingWords({ reference_missing, window_missing }: Histogram) {
  if (!reference_missing && !window_missing) return '';
  return `missing ${percent(reference_missing ?? 0)} → ${percent(window_missing ?? 0)}`;
}

function Bars({ of }: { of: Histogram }) {
  const most = Math.max(...of.bins.flatMap((bin) => [bin.reference ?? 0, bin.window ?? 0]), 1e-9);
  const step = WIDTH / of.bins.length;
  const top = (value: number | undefined) => HEIGHT * (1 - (value ?? 0) / most);
  const outline = of.bins.map(
    (bin, at) => `L${at * step},${top(bin.reference)}L${(at + 1) * step},${top(bin.reference)}`,
  );
  const first = of.bins[0];
  const last = of.bins.at(-1);
  return (
    <>
      <svg className={css.plot} viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img">
        <title>{`${of.column}: shares of ${of.bins.length} bins in the reference and in the window`}</title>
        <path className={css.reference} d={`M0,${HEIGHT}${outline.join('')}L${WIDTH},${HEIGHT}Z`} />
        {of.bins.map((bin, at) => (
          <rect
            key={bin.low}
            className={css.window}
            x={at * step + step * 0.2}
            width={step * 0.6}
            y={top(bin.window)}
            height={HEIGHT - top(bin.window)}
          >
            <title>{`${num(bin.low)} to ${num(bin.high)}: reference ${percent(bin.reference ?? 0)}, window ${percent(bin.window ?? 0)}`}</title>
          </rect>
        ))}
      </svg>
      <div className={css.ends}>
        <span>{num(first?.low)}</span>
        <span>{num(last?.high)}</span>
      </div>
    </>
  );
}

function Categories({ of }: { of: Histogram }) {
  const most = Math.max(...of.bins.flatMap((bin) => [bin.reference ?? 0, bin.window ?? 0]), 1e-9);
  return (
    <ul className={css.categories}>
      {of.bins.map((bin) => (
        <li key={bin.label} title={`reference ${percent(bin.reference ?? 0)}, window ${percent(bin.window ?? 0)}`}>
          <span className={css.label}>{bin.label}</span>
          <span className={css.pair}>
            <i data-side="reference" style={{ width: `${((bin.reference ?? 0) / most) * 100}%` }} />
            <i data-side="window" style={{ width: `${((bin.window ?? 0) / most) * 100}%` }} />
          </span>
          <span className={css.share}>{percent(bin.window ?? 0)}</span>
        </li>
      ))}
    </ul>
  );
}
