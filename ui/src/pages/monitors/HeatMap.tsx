import '@mantine/core/styles/InlineInput.css';
import '@mantine/core/styles/Switch.css';
import '@mantine/core/styles/FloatingIndicator.css';
import '@mantine/core/styles/SegmentedControl.css';
import { SegmentedControl, Switch, useComputedColorScheme } from '@mantine/core';
import { useEffect, useMemo, useRef, useState } from 'react';
import type { Finding, MonitorDetail, Window } from '../../api/types';
import { clock, num } from '../../parts/format';
import { useWidth } from '../../parts/useWidth';
import { stateOf } from '../../words';
import { HeatTable } from './HeatTable';
import { colourAt, gridOf, type HeatGrid, heatOf, STOPS } from './heat';
import css from './monitors.module.css';

const ROW = 12;
const WIDEST = 26;

interface Cell {
  column: number;
  window: number;
}

/** Features against windows: how far each was from its reference. Arrow keys walk the cells. */
export function HeatMap({ detail }: { detail: MonitorDetail }) {
  const [order, setOrder] = useState<'name' | 'worst'>('name');
  const [table, setTable] = useState(false);
  const grid = useMemo(() => gridOf(detail.windows, order), [detail.windows, order]);
  const { gate, critical } = detail.monitor.spec;
  return (
    <div className="tight" style={{ gap: 10 }}>
      <div className="row apart">
        <Legend gate={gate} critical={critical} />
        <div className="row">
          <SegmentedControl
            size="xs"
            aria-label="Order of the features"
            value={order}
            onChange={(next) => setOrder(next as 'name' | 'worst')}
            data={[
              { value: 'name', label: 'By name' },
              { value: 'worst', label: 'Worst first' },
            ]}
          />
          <Switch
            size="xs"
            label="Show as table"
            checked={table}
            onChange={(event) => setTable(event.currentTarget.checked)}
          />
        </div>
      </div>
      {table ? (
        <HeatTable grid={grid} />
      ) : (
        <Canvas grid={grid} gate={gate} critical={critical} label={detail.monitor.name} />
      )}
    </div>
  );
}

function Canvas({ grid, gate, critical, label }: { grid: HeatGrid; gate: number; critical: number; label: string }) {
  const [box, width] = useWidth<HTMLDivElement>();
  const canvas = useRef<HTMLCanvasElement>(null);
  const [cell, setCell] = useState<Cell | null>(null);
  const labelWidth = Math.min(150, 14 + 6.2 * Math.max(0, ...grid.columns.map((name) => name.length)));
  const scheme = useComputedColorScheme('light');
  const count = grid.windows.length;
  const cellWidth = Math.min(WIDEST, Math.max(2, (width - labelWidth) / Math.max(1, count)));
  const height = grid.columns.length * ROW;

  // biome-ignore lint/correctness/useExhaustiveDependencies: a new scheme means new colours
  useEffect(() => {
    if (canvas.current && width)
      draw(canvas.current, { grid, gate, critical, cellWidth, labelWidth, width, height, cell });
  }, [grid, gate, critical, cellWidth, labelWidth, width, height, cell, scheme]);

  const move = (columns: number, windows: number) =>
    setCell((now) => ({
      column: clamp((now?.column ?? 0) + columns, grid.columns.length - 1),
      window: clamp((now?.window ?? count - 1) + windows, count - 1),
    }));
  const onKey = (event: React.KeyboardEvent) => {
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    if (!step) return;
    event.preventDefault();
    move(step[0] ?? 0, step[1] ?? 0);
  };
  const onPoint = (event: React.PointerEvent) => {
    const { left, top } = event.currentTarget.getBoundingClientRect();
    const column = Math.floor((event.clientY - top) / ROW);
    const window = Math.floor((event.clientX - left - labelWidth) / cellWidth);
    setCell(window < 0 || window >= count || column >= grid.columns.length ? null : { column, window });
  };
  const found = cell ? grid.at(cell.column, cell.window) : undefined;
  const at = cell ? grid.windows[cell.window] : undefined;
  const words = at && cell ? sentence(grid.columns[cell.column] ?? '', at, found) : '';
  return (
    <div ref={box} className={css.heatBox}>
      {/* biome-ignore lint/a11y/noInteractiveElementToNoninteractiveRole: a canvas that is walked with arrow keys */}
      <canvas
        ref={canvas}
        className={css.heat}
        style={{ width, height }}
        tabIndex={0}
        role="application"
        aria-label={`Heat map of ${label}: ${grid.columns.length} features, ${count} windows. Arrow keys walk the cells.`}
        onKeyDown={onKey}
        onPointerMove={onPoint}
        onPointerLeave={() => setCell(null)}
        onBlur={() => setCell(null)}
      />
      {cell && at && (
        <div
          className={css.tip}
          style={{
            left: Math.min(labelWidth + (cell.window + 1) * cellWidth + 6, Math.max(0, width - 240)),
            top: Math.min((cell.column + 1) * ROW + 4, height - 40),
          }}
        >
          {words}
        </div>
      )}
      <p className="hidden" aria-live="polite">
        {words}
      </p>
      <div className={css.times} style={{ paddingLeft: labelWidth, width: labelWidth + count * cellWidth }}>
        <span>{grid.windows[0] && clock(grid.windows[0].end)}</span>
        <span>{count > 1 && clock(grid.windows.at(-1)?.end ?? '')}</span>
      </div>
    </div>
  );
}

function sentence(column: string, window: Window, found: Finding | undefined): string {
  const when = `${clock(window.start)} to ${clock(window.end)}`;
  if (!found) return `${column}, ${when}: ${window.reason || stateOf(window.severity).word}`;
  const sizes = `${num(found.window_count)} rows against ${num(found.reference_count)}`;
  const p = found.p_value === null ? '' : `, p ${num(found.p_value, 2)}`;
  return `${column}, ${when}: ${found.statistic} ${num(found.value, 3)}${p}, ${sizes}, ${stateOf(found.severity).word}`;
}

const clamp = (value: number, most: number): number => Math.max(0, Math.min(most, value));

interface Drawing {
  grid: HeatGrid;
  gate: number;
  critical: number;
  cellWidth: number;
  labelWidth: number;
  width: number;
  height: number;
  cell: Cell | null;
}

function draw(canvas: HTMLCanvasElement, drawing: Drawing): void {
  const { grid, gate, critical, cellWidth, labelWidth, width, height, cell } = drawing;
  const scale = window.devicePixelRatio || 1;
  canvas.width = width * scale;
  canvas.height = height * scale;
  const pen = canvas.getContext('2d');
  if (!pen) return;
  const style = getComputedStyle(document.documentElement);
  const token = (name: string) => style.getPropertyValue(name).trim();
  const stops = STOPS.map(token);
  const none = token('--heat-none');
  pen.scale(scale, scale);
  pen.font = `10px ${token('--sans')}`;
  pen.textBaseline = 'middle';
  const gap = cellWidth > 5 ? 1 : 0;
  grid.columns.forEach((name, row) => {
    pen.fillStyle = cell?.column === row ? token('--text') : token('--soft');
    pen.fillText(name, 0, row * ROW + ROW / 2, labelWidth - 10);
    for (let at = 0; at < grid.windows.length; at += 1) {
      const found = grid.at(row, at);
      pen.fillStyle = found ? colourAt(heatOf(found.value, gate, critical), stops) : none;
      pen.fillRect(labelWidth + at * cellWidth, row * ROW, cellWidth - gap, ROW - 1);
    }
  });
  if (cell) {
    pen.strokeStyle = token('--text');
    pen.lineWidth = 1.5;
    pen.strokeRect(labelWidth + cell.window * cellWidth, cell.column * ROW, cellWidth - gap, ROW - 1);
  }
}

function Legend({ gate, critical }: { gate: number; critical: number }) {
  return (
    <div
      className={css.legend}
      role="img"
      aria-label={`Scale: calm below ${gate}, warning from ${gate}, critical from ${critical}`}
    >
      <span>0</span>
      <span className={css.ramp} />
      <span className={css.marks}>
        <i style={{ left: '25%' }}>{gate} gate</i>
        <i style={{ left: '50%' }}>{critical} critical</i>
        <i style={{ left: '75%' }}>{critical * 4}</i>
      </span>
    </div>
  );
}
