import { useVirtualizer } from '@tanstack/react-virtual';
import { useEffect, useRef } from 'react';
import type { Run } from '../../api/types';
import { at } from '../../app/paths';
import { counted, num } from '../../parts/format';
import { Go } from '../../parts/Go';
import { Icon } from '../../parts/Icon';
import { useRowKeys } from '../../parts/rowKeys';
import { State } from '../../parts/State';
import { Ago, Took } from '../../parts/Time';
import { cellOf, orderKey, type RunColumn } from './columns';
import css from './runs.module.css';

const ROW = 33;
const FIXED = [
  { key: 'attributes.run_name', name: 'Run', width: 'minmax(190px, 1.6fr)' },
  { key: 'attributes.status', name: 'State', width: '106px' },
  { key: 'attributes.start_time', name: 'Began', width: '104px' },
  { key: '', name: 'Took', width: '88px' },
];

interface RunGridProps {
  runs: Run[];
  columns: RunColumn[];
  order: string;
  more: boolean;
  onOrder: (key: string) => void;
  onEnd: () => void;
}

/** The runs as a virtual grid: only the rows on screen are in the page, however many there are. */
export function RunGrid({ runs, columns, order, more, onOrder, onEnd }: RunGridProps) {
  const body = useRef<HTMLDivElement>(null);
  const rows = useVirtualizer({
    count: runs.length,
    getScrollElement: () => body.current,
    estimateSize: () => ROW,
    overscan: 6,
  });
  const hrefOf = (index: number) => (runs[index] ? at.run(runs[index].run_id) : undefined);
  const current = useRowKeys(runs.length, hrefOf, true, (index) => rows.scrollToIndex(index));
  const shown = rows.getVirtualItems();
  const last = shown.at(-1)?.index ?? 0;
  useEffect(() => {
    if (last >= runs.length - 20) onEnd();
  }, [last, runs.length, onEnd]);
  const template = [...FIXED.map((one) => one.width), ...columns.map(() => 'minmax(116px, 1fr)')].join(' ');
  const width = 500 + columns.length * 116;
  return (
    <>
      <div
        className={css.grid}
        role="grid"
        aria-label="Runs"
        aria-rowcount={more ? -1 : runs.length + 1}
        aria-colcount={FIXED.length + columns.length}
      >
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so a keyboard must reach it */}
        <div ref={body} className={css.body} role="rowgroup" tabIndex={0}>
          <div style={{ minWidth: width }}>
            <div
              className={css.head}
              role="row"
              aria-rowindex={1}
              tabIndex={-1}
              style={{ gridTemplateColumns: template }}
            >
              {FIXED.map((one) => (
                <Head key={one.name} name={one.name} sortKey={one.key} order={order} onOrder={onOrder} />
              ))}
              {columns.map((column) => (
                <Head
                  key={column.id}
                  name={column.name}
                  kind={column.kind}
                  sortKey={orderKey(column)}
                  order={order}
                  onOrder={onOrder}
                />
              ))}
            </div>
            <div style={{ height: rows.getTotalSize(), position: 'relative' }} role="presentation">
              {shown.map((item) => {
                const run = runs[item.index];
                return (
                  run && (
                    <div
                      key={run.run_id}
                      role="row"
                      tabIndex={-1}
                      aria-rowindex={item.index + 2}
                      aria-selected={item.index === current}
                      className={css.line}
                      style={{ transform: `translateY(${item.start}px)`, gridTemplateColumns: template }}
                    >
                      <Cells run={run} columns={columns} />
                    </div>
                  )
                );
              })}
            </div>
          </div>
        </div>
      </div>
      <p className={css.foot}>
        {counted(runs.length, 'run')}
        {more && ' so far, more as you scroll'}
      </p>
    </>
  );
}

function Cells({ run, columns }: { run: Run; columns: RunColumn[] }) {
  return (
    <>
      <div role="gridcell" tabIndex={-1} className="cut">
        <Go href={at.run(run.run_id)}>{run.name || run.run_id}</Go>
      </div>
      <div role="gridcell" tabIndex={-1}>
        <State state={run.status} plain />
      </div>
      <div role="gridcell" tabIndex={-1} className="soft">
        <Ago at={run.start_time} />
      </div>
      <div role="gridcell" tabIndex={-1} className="num">
        <Took from={run.start_time} to={run.end_time} />
      </div>
      {columns.map((column) => {
        const value = cellOf(run, column);
        return (
          <div key={column.id} role="gridcell" tabIndex={-1} className="num cut">
            {value === undefined ? <span className="faint">–</span> : typeof value === 'number' ? num(value) : value}
          </div>
        );
      })}
    </>
  );
}

interface HeadProps {
  name: string;
  kind?: string;
  sortKey: string;
  order: string;
  onOrder: (key: string) => void;
}

function Head({ name, kind, sortKey, order, onOrder }: HeadProps) {
  const sorted =
    sortKey && order.startsWith(`${sortKey} `) ? (order.endsWith('ASC') ? 'ascending' : 'descending') : 'none';
  return (
    <div
      role="columnheader"
      tabIndex={-1}
      aria-sort={sorted}
      className={css.headCell}
      data-num={kind !== undefined || name === 'Took'}
    >
      {sortKey ? (
        <button type="button" onClick={() => onOrder(sortKey)} title={`Sort by ${sortKey}`}>
          <span className="cut">{name}</span>
          {sorted !== 'none' && <Icon name={sorted === 'ascending' ? 'up' : 'down'} size={11} />}
        </button>
      ) : (
        name
      )}
    </div>
  );
}
