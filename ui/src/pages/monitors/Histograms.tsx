import { useQuery } from '@tanstack/react-query';
import * as ask from '../../api/queries';
import type { Alert, Histogram } from '../../api/types';
import { Distribution, Legend } from '../../parts/Distribution';
import css from '../../parts/distribution.module.css';
import { percent } from '../../parts/format';
import { Panel } from '../../parts/Panel';
import { alertId } from './AlertsPage';

/** The columns of an alert in the reference and in its newest window. */
export function Histograms({ alert }: { alert: Alert }) {
  const { data: shown = [] } = useQuery(ask.histograms(alertId(alert)));
  if (!shown.length) return null;
  return (
    <Panel title="What came in" aside={<Legend before="reference" now="newest window" />}>
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
      <Distribution of={of} before="reference" now="window" />
      {of.window_count === 0 && <p className="soft">No value of it came in.</p>}
    </figure>
  );
}

function missingWords({ reference_missing, window_missing }: Histogram) {
  if (!reference_missing && !window_missing) return '';
  return `missing ${percent(reference_missing ?? 0)} → ${percent(window_missing ?? 0)}`;
}
