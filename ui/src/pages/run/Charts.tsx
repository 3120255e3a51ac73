import '@mantine/core/styles/Slider.css';
import '@mantine/core/styles/InlineInput.css';
import '@mantine/core/styles/Switch.css';
import '@mantine/core/styles/FloatingIndicator.css';
import '@mantine/core/styles/SegmentedControl.css';
import { Button, SegmentedControl, Slider, Switch } from '@mantine/core';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { lazy, Suspense, useEffect, useMemo, useRef, useState } from 'react';
import * as ask from '../../api/queries';
import type { Line } from '../../api/types';
import { ProblemBox, Waiting } from '../../parts/Asked';
import { Field } from '../../parts/Field';
import { isInfinite, num } from '../../parts/format';
import { highlight, useHighlight } from '../../parts/highlight';
import { colourOf, type DrawnLine, nearest } from '../../parts/lines';
import { Figures, Panel } from '../../parts/Panel';
import { Table } from '../../parts/Table';
import css from './run.module.css';
import { type ChartSearch, type ChartView, viewOf } from './search';

const RunChart = lazy(() => import('../../parts/RunChart'));

const BUCKETS = 400;
const TOGETHER = 8;
const MOST_LINES = 200;
const LIVE_MS = 2000;
const MANY = 8;

export interface ChartedRun {
  id: string;
  name: string;
}

interface ChartsProps {
  runs: ChartedRun[];
  keys: string[];
  live: boolean;
  search: ChartSearch;
  change: (next: Partial<ChartSearch>) => void;
}

/** The metrics of one or several runs: what has a history as charts, the rest as figures. */
export function Charts({ runs, keys, live, search, change }: ChartsProps) {
  const view = viewOf(search);
  const words = (search.metric ?? '').toLowerCase();
  const found = keys.filter((key) => key.toLowerCase().includes(words)).toSorted((a, b) => a.localeCompare(b));
  const each = Math.max(1, Math.min(TOGETHER, Math.floor(MOST_LINES / Math.max(1, runs.length))));
  const pieces = Array.from({ length: Math.ceil(found.length / each) }, (_, at) =>
    found.slice(at * each, (at + 1) * each),
  );
  if (!keys.length)
    return (
      <Panel title="Metrics">
        <p className="soft">{runs.length > 1 ? 'These runs logged no metric.' : 'This run logged no metric.'}</p>
      </Panel>
    );
  return (
    <>
      <ChartTools view={view} search={search} change={change} many={keys.length > MANY} />
      {runs.length > 1 && <Legend runs={runs} />}
      {pieces.map((piece) => (
        <Piece
          key={piece.join('\n')}
          runs={runs}
          keys={piece}
          live={live}
          view={view}
          search={search}
          change={change}
        />
      ))}
      {found.length === 0 && <p className="soft">No metric has that in its name.</p>}
    </>
  );
}

interface ToolsProps {
  view: ChartView;
  search: ChartSearch;
  change: (next: Partial<ChartSearch>) => void;
  many: boolean;
}

function ChartTools({ view, search, change, many }: ToolsProps) {
  return (
    <div className={css.chartTools}>
      {many && (
        <span data-always>
          <Field
            label="Search metrics"
            value={search.metric ?? ''}
            onSet={(metric) => change({ metric: metric || undefined })}
          />
        </span>
      )}
      <SegmentedControl
        size="xs"
        aria-label="Axis"
        value={view.axis}
        onChange={(axis) =>
          change({ axis: axis === 'step' ? undefined : (axis as ChartSearch['axis']), from: undefined, to: undefined })
        }
        data={[
          { value: 'step', label: 'Step' },
          { value: 'time', label: 'Time' },
          { value: 'relative', label: 'Since its start' },
        ]}
      />
      <Smoothing value={view.smooth} onSet={(smooth) => change({ smooth: smooth || undefined })} />
      <Switch
        size="xs"
        label="Log y"
        checked={view.log}
        onChange={(event) => change({ log: event.currentTarget.checked || undefined })}
      />
      <Switch
        size="xs"
        label="Show as table"
        checked={search.table ?? false}
        onChange={(event) => change({ table: event.currentTarget.checked || undefined })}
      />
      {view.from !== undefined && (
        <Button size="compact-xs" variant="default" onClick={() => change({ from: undefined, to: undefined })}>
          Whole span
        </Button>
      )}
    </div>
  );
}

/** The slider answers at once; the address follows when it is let go. */
function Smoothing({ value, onSet }: { value: number; onSet: (value: number) => void }) {
  const [shown, setShown] = useState(value);
  useEffect(() => setShown(value), [value]);
  return (
    <div className={css.smoothing}>
      <span className="soft">Smoothing</span>
      <Slider
        size="sm"
        w={120}
        min={0}
        max={0.98}
        step={0.02}
        thumbLabel="Smoothing"
        label={(one) => one.toFixed(2)}
        value={shown}
        onChange={setShown}
        onChangeEnd={onSet}
      />
    </div>
  );
}

function Legend({ runs }: { runs: ChartedRun[] }) {
  const strong = useHighlight();
  return (
    <ul className={css.legend} aria-label="Runs in the charts">
      {runs.map((run, rank) => (
        <li
          key={run.id}
          data-strong={strong === run.id}
          data-faint={strong !== null && strong !== run.id}
          onPointerEnter={() => highlight(run.id)}
          onPointerLeave={() => highlight(null)}
        >
          <span className={css.swatch} style={{ background: `var(${colourOf(rank)})` }} />
          <span className="cut">{run.name}</span>
        </li>
      ))}
    </ul>
  );
}

interface PieceProps extends ChartsProps {
  view: ChartView;
}

/** A few charts whose lines are asked for in one call, once they come into sight. */
function Piece({ runs, keys, live, view, search, change }: PieceProps) {
  const [ref, near] = useNear();
  const asked = {
    run: runs.map((run) => run.id),
    key: keys,
    axis: view.axis,
    buckets: BUCKETS,
    from: view.from,
    to: view.to,
  };
  const found = useQuery({
    ...ask.lines(asked),
    enabled: near,
    placeholderData: keepPreviousData,
    ...(live ? { refetchInterval: LIVE_MS } : {}),
  });
  const byKey = useMemo(() => groupedBy(found.data ?? [], runs), [found.data, runs]);
  const charted = keys.filter((key) => byKey.get(key)?.some((line) => line.total > 1));
  const single = runs.length === 1 ? keys.filter((key) => byKey.has(key) && !charted.includes(key)) : [];
  const flat = runs.length > 1 ? keys.filter((key) => byKey.has(key) && !charted.includes(key)) : [];
  return (
    <div ref={ref} className="stack" data-charts={charted.length > 0} style={{ minHeight: near ? undefined : 240 }}>
      {found.isError && <ProblemBox error={found.error} />}
      {near && found.isPending && <Waiting lines={6} />}
      {single.length > 0 && (
        <Panel title={charted.length ? 'Single values' : 'Metrics'}>
          <Figures of={single.map((key) => [key, num(lastOf(byKey.get(key)?.[0]?.drawn))])} />
        </Panel>
      )}
      <div className={css.charts}>
        {charted.map((key) => (
          <MetricChart
            key={key}
            name={key}
            lines={byKey.get(key) ?? []}
            view={view}
            table={search.table ?? false}
            change={change}
          />
        ))}
        {flat.map((key) => (
          <Bars key={key} name={key} lines={byKey.get(key) ?? []} />
        ))}
      </div>
    </div>
  );
}

/** The last value of a line; NaN comes as null. */
function lastOf(line: DrawnLine | undefined): number | undefined {
  return line && (line.last.at(-1) ?? Number.NaN);
}

interface Told {
  total: number;
  drawn: DrawnLine;
}

function groupedBy(found: Line[], runs: ChartedRun[]): Map<string, Told[]> {
  const byKey = new Map<string, Told[]>();
  for (const line of found) {
    const rank = runs.findIndex((run) => run.id === line.run_id);
    if (line.total === 0 || rank < 0) continue;
    const drawn = {
      run: line.run_id,
      name: runs[rank]?.name ?? '',
      rank,
      x: line.x,
      low: line.low,
      high: line.high,
      last: line.last,
    };
    byKey.set(line.key, [...(byKey.get(line.key) ?? []), { total: line.total, drawn }]);
  }
  return byKey;
}

interface MetricChartProps {
  name: string;
  lines: Told[];
  view: ChartView;
  table: boolean;
  change: (next: Partial<ChartSearch>) => void;
}

function MetricChart({ name, lines, view, table, change }: MetricChartProps) {
  const drawn = lines.map((line) => line.drawn);
  const only = lines.length === 1 ? lines[0] : undefined;
  return (
    <Panel
      title={name}
      aside={<span className="soft">{only ? num(lastOf(only.drawn)) : `${lines.length} runs`}</span>}
      flush
    >
      {table ? (
        <Values name={name} lines={drawn} axis={view.axis} />
      ) : (
        <Suspense fallback={<Waiting lines={5} />}>
          <RunChart
            label={name}
            lines={drawn}
            axis={view.axis}
            log={view.log}
            smoothing={view.smooth}
            group="run"
            onZoom={(from, to) =>
              change(view.axis === 'step' ? { from: Math.floor(from), to: Math.ceil(to) } : { from, to })
            }
          />
        </Suspense>
      )}
    </Panel>
  );
}

const WORDS = { step: 'Step', time: 'Time', relative: 'Since its start, ms' };

function Values({ name, lines, axis }: { name: string; lines: DrawnLine[]; axis: ChartView['axis'] }) {
  const xs = [...new Set(lines.flatMap((line) => line.x))].sort((a, b) => a - b);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so a keyboard must reach it
    <div className={css.values} tabIndex={0} role="region" aria-label={`Values of ${name}`}>
      <Table
        label={name}
        rows={xs}
        keyOf={String}
        columns={[
          {
            name: WORDS[axis],
            num: true,
            cell: (x) => (axis === 'time' ? new Date(x).toLocaleString('en-GB') : num(x)),
          },
          ...lines.map((line) => ({
            name: lines.length > 1 ? line.name : 'Value',
            num: true,
            cell: (x: number) => (line.x.includes(x) ? num(nearest(line, x), 6) : '–'),
          })),
        ]}
      />
    </div>
  );
}

/** A metric with one value a run: a bar for each. */
function Bars({ name, lines }: { name: string; lines: Told[] }) {
  const strong = useHighlight();
  const values = lines.map((line) => line.drawn.last.at(-1) ?? 0);
  const top = Math.max(...values.filter((value) => !isInfinite(value)).map(Math.abs), 1e-12);
  return (
    <Panel title={name}>
      <ul className={css.bars}>
        {lines.map(({ drawn }) => {
          const value = lastOf(drawn) ?? 0;
          return (
            <li
              key={drawn.run}
              data-faint={strong !== null && strong !== drawn.run}
              onPointerEnter={() => highlight(drawn.run)}
              onPointerLeave={() => highlight(null)}
            >
              <span className="cut">{drawn.name}</span>
              <span className={css.bar} aria-hidden="true">
                <span
                  style={{
                    width: `${Math.min(Math.abs(value) / top || 0, 1) * 100}%`,
                    background: `var(${colourOf(drawn.rank)})`,
                  }}
                />
              </span>
              <span className="num">{num(value)}</span>
            </li>
          );
        })}
      </ul>
    </Panel>
  );
}

/** True from when the element is nearly in sight. */
function useNear(): [ref: React.RefObject<HTMLDivElement | null>, near: boolean] {
  const ref = useRef<HTMLDivElement>(null);
  const [near, setNear] = useState(false);
  useEffect(() => {
    if (!ref.current) return;
    const watcher = new IntersectionObserver(([entry]) => entry?.isIntersecting && setNear(true), {
      rootMargin: '300px',
    });
    watcher.observe(ref.current);
    return () => watcher.disconnect();
  }, []);
  return [ref, near];
}
