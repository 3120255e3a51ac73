import '@mantine/core/styles/InlineInput.css';
import '@mantine/core/styles/Checkbox.css';
import { Checkbox } from '@mantine/core';
import { useVirtualizer } from '@tanstack/react-virtual';
import { type CSSProperties, type KeyboardEvent, type ReactNode, useEffect, useRef } from 'react';
import { at } from '../../app/paths';
import { num } from '../../parts/format';
import { Go } from '../../parts/Go';
import { Icon } from '../../parts/Icon';
import { useRowKeys } from '../../parts/rowKeys';
import { State } from '../../parts/State';
import { Ago, Took } from '../../parts/Time';
import { orderKey, type RunColumn } from './columns';
import css from './runs.module.css';
import type { ShownRow } from './useRuns';

const ROW = 33;
const SELECT = 36;
const NAME = 220;
const CELL = 126;
const FIXED: { key: string; name: string; width: number }[] = [
  { key: 'attributes.status', name: 'State', width: 108 },
  { key: 'attributes.start_time', name: 'Began', width: 104 },
  { key: '', name: 'Took', width: 112 },
];

export interface Selection {
  has: (id: string) => boolean;
  count: number;
  toggle: (id: string, index: number, range: boolean) => void;
  all: () => void;
  none: () => void;
}

interface RunGridProps {
  total: number;
  rowAt: (index: number) => ShownRow | undefined;
  columns: RunColumn[];
  pinned: string[];
  order: string;
  selection: Selection;
  onOrder: (key: string) => void;
  onSeen: (first: number, last: number) => void;
}

/** The runs as a virtual grid: only the rows on screen are in the page, however many there are. */
export function RunGrid(props: RunGridProps) {
  const { total, rowAt, columns, pinned, selection, onSeen } = props;
  const body = useRef<HTMLDivElement>(null);
  const rows = useVirtualizer({
    count: total,
    getScrollElement: () => body.current,
    estimateSize: () => ROW,
    overscan: 6,
    scrollPaddingStart: ROW,
  });
  const hrefOf = (index: number) => {
    const run = rowAt(index);
    return run && at.run(run.run_id);
  };
  const [current, move] = useRowKeys(total, hrefOf, true, (index) => rows.scrollToIndex(index));
  const shown = rows.getVirtualItems();
  const first = shown[0]?.index ?? 0;
  const last = shown.at(-1)?.index ?? 0;
  useEffect(() => onSeen(first, last), [first, last, onSeen]);
  useSelectKey(() => {
    const run = rowAt(current);
    if (run) selection.toggle(run.run_id, current, false);
  });
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.target !== body.current) return;
    const step = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0;
    const href = event.key === 'Enter' ? hrefOf(current) : undefined;
    if (step) {
      event.preventDefault();
      move(step);
    } else if (href) body.current?.querySelector<HTMLAnchorElement>('[data-current="true"] a')?.click();
  };
  const stuck = columns.filter((one) => pinned.includes(one.id));
  const loose = columns.filter((one) => !pinned.includes(one.id));
  const widths = [SELECT, NAME, ...stuck.map(() => CELL), ...FIXED.map((one) => one.width), ...loose.map(() => CELL)];
  const width = widths.reduce((sum, one) => sum + one, 0);
  const template = widths
    .map((one, index) => (index === 1 || index > 4 + stuck.length ? `minmax(${one}px, 1fr)` : `${one}px`))
    .join(' ');
  const parts = { ...props, stuck, loose, template };
  return (
    <div
      className={css.grid}
      role="grid"
      aria-label="Runs"
      aria-multiselectable="true"
      aria-rowcount={total + 1}
      aria-colcount={widths.length}
    >
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so a keyboard must reach it */}
      <div ref={body} className={css.body} role="rowgroup" tabIndex={0} onKeyDown={onKeyDown}>
        <div style={{ minWidth: width }}>
          <HeadRow {...parts} />
          <div style={{ height: rows.getTotalSize(), position: 'relative' }} role="presentation">
            {shown.map((item) => (
              <Line key={item.index} index={item.index} top={item.start} current={item.index === current} {...parts} />
            ))}
          </div>
        </div>
      </div>
    </div>
  );
}

interface Parts extends RunGridProps {
  stuck: RunColumn[];
  loose: RunColumn[];
  template: string;
}

const stickAt = (index: number): CSSProperties => ({
  left: index === 0 ? 0 : SELECT + (index > 1 ? NAME + (index - 2) * CELL : 0),
});

function HeadRow({ stuck, loose, template, order, onOrder, selection }: Parts) {
  const head = (column: RunColumn, stick?: number) => (
    <Head
      key={column.id}
      name={column.name}
      title={column.id}
      right
      sortKey={orderKey(column)}
      order={order}
      onOrder={onOrder}
      stick={stick}
    />
  );
  return (
    <div className={css.head} role="row" aria-rowindex={1} tabIndex={-1} style={{ gridTemplateColumns: template }}>
      <div role="columnheader" tabIndex={-1} className={`${css.headCell} ${css.stick}`} style={stickAt(0)}>
        <Checkbox
          size="xs"
          aria-label={selection.count ? 'Select none' : 'Select the runs that are loaded'}
          checked={selection.count > 0}
          indeterminate={selection.count > 0}
          onChange={selection.count ? selection.none : selection.all}
        />
      </div>
      <Head name="Run" sortKey="attributes.run_name" order={order} onOrder={onOrder} stick={1} />
      {stuck.map((column, index) => head(column, index + 2))}
      {FIXED.map((one) => (
        <Head
          key={one.name}
          name={one.name}
          right={one.name === 'Took'}
          sortKey={one.key}
          order={order}
          onOrder={onOrder}
        />
      ))}
      {loose.map((column) => head(column))}
    </div>
  );
}

interface LineProps extends Parts {
  index: number;
  top: number;
  current: boolean;
}

function Line({ index, top, current, rowAt, stuck, loose, template, selection }: LineProps) {
  const run = rowAt(index);
  const place: CSSProperties = { transform: `translateY(${top}px)`, gridTemplateColumns: template };
  if (!run)
    return (
      <div className={css.line} style={place} data-loading="true" aria-hidden="true">
        <span className={css.ghost} />
      </div>
    );
  const cell = (column: RunColumn, stick?: number) => (
    <Cell key={column.id} stick={stick} right>
      {shownValue(run.values[run.columns.indexOf(column.id)])}
    </Cell>
  );
  return (
    <div
      role="row"
      tabIndex={-1}
      aria-rowindex={index + 2}
      aria-selected={selection.has(run.run_id)}
      data-current={current}
      className={css.line}
      style={place}
    >
      <Cell stick={0}>
        <Checkbox
          size="xs"
          aria-label={`Select ${run.name}`}
          checked={selection.has(run.run_id)}
          onChange={(event) =>
            selection.toggle(run.run_id, index, 'shiftKey' in event.nativeEvent && event.nativeEvent.shiftKey === true)
          }
        />
      </Cell>
      <Cell stick={1}>
        <Go href={at.run(run.run_id)} title={run.name}>
          {run.name || run.run_id}
        </Go>
      </Cell>
      {stuck.map((column, at) => cell(column, at + 2))}
      <Cell>
        <State state={run.status} plain />
      </Cell>
      <Cell soft>
        <Ago at={run.start_time} />
      </Cell>
      <Cell right>
        <Took from={run.start_time} to={run.end_time} />
      </Cell>
      {loose.map((column) => cell(column))}
    </div>
  );
}

function shownValue(value: number | string | null | undefined): ReactNode {
  if (value === null || value === undefined) return <span className="faint">–</span>;
  return typeof value === 'number' ? num(value) : <span title={value}>{value}</span>;
}

function Cell({
  children,
  stick,
  right,
  soft,
}: {
  children: ReactNode;
  stick?: number;
  right?: boolean;
  soft?: boolean;
}) {
  const kind = `${stick === undefined ? '' : css.stick} ${right ? 'num' : ''} ${soft ? 'soft' : ''} cut`;
  return (
    <div role="gridcell" tabIndex={-1} className={kind} style={stick === undefined ? undefined : stickAt(stick)}>
      {children}
    </div>
  );
}

interface HeadProps {
  name: string;
  title?: string;
  right?: boolean;
  sortKey: string;
  order: string;
  onOrder: (key: string) => void;
  stick?: number;
}

function Head({ name, title, right = false, sortKey, order, onOrder, stick }: HeadProps) {
  const sorted =
    sortKey && order.startsWith(`${sortKey} `) ? (order.endsWith('ASC') ? 'ascending' : 'descending') : 'none';
  return (
    <div
      role="columnheader"
      tabIndex={-1}
      aria-sort={sorted}
      className={`${css.headCell} ${stick === undefined ? '' : css.stick}`}
      style={stick === undefined ? undefined : stickAt(stick)}
      data-num={right}
    >
      {sortKey ? (
        <button type="button" onClick={() => onOrder(sortKey)} title={`Sort by ${title ?? sortKey}`}>
          <span className="cut">{name}</span>
          {sorted !== 'none' && <Icon name={sorted === 'ascending' ? 'up' : 'down'} size={11} />}
        </button>
      ) : (
        name
      )}
    </div>
  );
}

/** X selects the row that J and K came to. */
function useSelectKey(onSelect: () => void) {
  const latest = useRef(onSelect);
  latest.current = onSelect;
  useEffect(() => onPlainKey('x', () => latest.current()), []);
}

/** Listen for a letter outside of fields and dialogs; returns what ends it. */
export function onPlainKey(key: string, then: () => void): () => void {
  const onKey = (event: globalThis.KeyboardEvent) => {
    const target = event.target as HTMLElement | null;
    const typing = target?.closest('input:not([type="checkbox"]), textarea, select, [role="dialog"]');
    if (event.defaultPrevented || typing || event.ctrlKey || event.metaKey || event.altKey || event.key !== key) return;
    event.preventDefault();
    then();
  };
  window.addEventListener('keydown', onKey);
  return () => window.removeEventListener('keydown', onKey);
}
