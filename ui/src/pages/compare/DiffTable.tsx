import type { Run } from '../../api/types';
import { at } from '../../app/paths';
import { num } from '../../parts/format';
import { Go } from '../../parts/Go';
import { highlight, useHighlight } from '../../parts/highlight';
import { Icon } from '../../parts/Icon';
import { colourOf } from '../../parts/lines';
import { Panel } from '../../parts/Panel';
import { State } from '../../parts/State';
import { Ago, Took } from '../../parts/Time';
import css from './compare.module.css';
import { KINDS, type Row } from './differ';

interface DiffTableProps {
  runs: Run[];
  rows: Row[];
  same: boolean;
  onDrop: (id: string) => void;
}

/** The runs as columns: what differs, and on demand what is the same. */
export function DiffTable({ runs, rows, same, onDrop }: DiffTableProps) {
  const shown = rows.filter((row) => same || row.differs);
  const strong = useHighlight();
  return (
    <Panel label="What differs" flush>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so a keyboard must reach it */}
      <div className={css.tableBox} tabIndex={0} role="region" aria-label="What differs">
        <table className={css.table} aria-label="What differs">
          <thead>
            <tr>
              <th scope="col">
                <span className="hidden">Name</span>
              </th>
              {runs.map((run, rank) => (
                <th
                  key={run.run_id}
                  scope="col"
                  data-strong={strong === run.run_id}
                  onPointerEnter={() => highlight(run.run_id)}
                  onPointerLeave={() => highlight(null)}
                >
                  <span className={css.swatch} style={{ background: `var(${colourOf(rank)})` }} />
                  <span className="row" style={{ flexWrap: 'nowrap' }}>
                    <Go href={at.run(run.run_id)} className="cut">
                      {run.name}
                    </Go>
                    {runs.length > 1 && (
                      <button
                        type="button"
                        className={css.drop}
                        aria-label={`Leave ${run.name} out`}
                        title="Leave it out"
                        onClick={() => onDrop(run.run_id)}
                      >
                        <Icon name="cross" size={10} />
                      </button>
                    )}
                  </span>
                  <span className={css.about}>
                    <State state={run.status} plain />
                    <Ago at={run.start_time} />
                    <span className="nowrap">
                      took <Took from={run.start_time} to={run.end_time} />
                    </span>
                  </span>
                </th>
              ))}
            </tr>
          </thead>
          {KINDS.map((kind) => (
            <Kind key={kind} kind={kind} rows={shown.filter((row) => row.kind === kind)} width={runs.length + 1} />
          ))}
        </table>
      </div>
      {shown.length === 0 && (
        <p className={`soft ${css.none}`}>These runs do not differ in anything that they logged.</p>
      )}
    </Panel>
  );
}

function Kind({ kind, rows, width }: { kind: string; rows: Row[]; width: number }) {
  if (!rows.length) return null;
  return (
    <tbody>
      <tr>
        <th scope="rowgroup" colSpan={width} className={css.kind}>
          {kind}
        </th>
      </tr>
      {rows.map((row) => {
        const best = row.kind === 'Metrics' ? spanOf(row.values) : undefined;
        return (
          <tr key={row.name} data-differs={row.differs}>
            <th scope="row">{row.name}</th>
            {row.values.map((value, index) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: a value has the place of its run
              <td key={index} className={row.kind === 'Metrics' ? 'num' : 'mono'}>
                {shownValue(value)}
                {best && typeof value === 'number' && value === best.high && <Icon name="up" size={10} />}
                {best && typeof value === 'number' && value === best.low && <Icon name="down" size={10} />}
              </td>
            ))}
          </tr>
        );
      })}
    </tbody>
  );
}

function spanOf(values: Row['values']): { low: number; high: number } | undefined {
  const known = values.filter((value) => typeof value === 'number');
  const [low, high] = [Math.min(...known), Math.max(...known)];
  return known.length > 1 && high > low ? { low, high } : undefined;
}

function shownValue(value: string | number | undefined) {
  if (value === undefined || value === null) return <span className="faint">–</span>;
  return typeof value === 'number' ? num(value, 5) : value;
}
