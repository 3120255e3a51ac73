import { useQuery } from '@tanstack/react-query';
import * as ask from '../../api/queries';
import { at } from '../../app/paths';
import { Asked, Empty } from '../../parts/Asked';
import { Code } from '../../parts/Code';
import { clock, num } from '../../parts/format';
import { Go } from '../../parts/Go';
import { Icon } from '../../parts/Icon';
import { Panel } from '../../parts/Panel';
import { State } from '../../parts/State';
import { Table } from '../../parts/Table';
import css from './deployments.module.css';

const LIVE_MS = 3000;

/** The newest rows of the prediction log, with the labels that came in since. */
export function Predictions({ name }: { name: string }) {
  const predictions = useQuery({ ...ask.predictions(name), refetchInterval: LIVE_MS });
  const first = predictions.data?.[0];
  return (
    <Panel title="Recent predictions" flush>
      <Asked of={predictions} empty={<Empty title="No prediction yet">The log is sealed every few seconds.</Empty>}>
        {(found) => (
          <Table
            label="Recent predictions"
            rows={found}
            keyOf={(one) => `${one.prediction_id}:${one.row}`}
            columns={[
              {
                name: 'Prediction',
                cell: (one) => (
                  <Go href={at.why(one.prediction_id)} className="mono" title={one.prediction_id}>
                    …{one.prediction_id.slice(-12)}
                  </Go>
                ),
              },
              { name: 'When', num: true, cell: (one) => clock(one.at) },
              { name: 'Version', num: true, cell: (one) => `v${one.model_version}` },
              { name: 'Variant', cell: (one) => (one.fallback_reason ? `${one.variant}, then stable` : one.variant) },
              {
                name: 'Status',
                cell: (one) => (
                  <State state={one.status < 400 ? 'SUCCEEDED' : 'FAILED'} word={String(one.status)} plain />
                ),
              },
              {
                name: 'Answer',
                num: true,
                cell: (one) => (
                  <span className={css.answer} title={one.prediction}>
                    {one.prediction}
                  </span>
                ),
              },
              {
                name: 'Label',
                cell: (one) => {
                  const label = Object.values(one.labels ?? {})[0];
                  if (label === undefined) return <span className="faint">not yet</span>;
                  return (
                    <span
                      className="row"
                      style={{ gap: 5, color: label === one.prediction ? 'var(--good)' : 'var(--bad)' }}
                    >
                      <Icon name={label === one.prediction ? 'check' : 'cross'} size={12} />
                      {label}
                    </span>
                  );
                },
              },
              { name: 'Latency', num: true, cell: (one) => `${num(one.latency_us / 1000, 3)} ms` },
            ]}
          />
        )}
      </Asked>
      {first && (
        <div style={{ padding: 14, borderTop: '1px solid var(--line)' }}>
          <Code text={`hl why ${first.prediction_id}`} label="What stands behind the newest one" />
        </div>
      )}
    </Panel>
  );
}
