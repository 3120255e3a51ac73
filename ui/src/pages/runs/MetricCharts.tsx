import { SegmentedControl, Slider, Switch } from '@mantine/core';
import { useQueries } from '@tanstack/react-query';
import { lazy, Suspense, useState } from 'react';
import * as ask from '../../api/queries';
import type { Run, Series } from '../../api/types';
import { Waiting } from '../../parts/Asked';
import { clock, num } from '../../parts/format';
import { Figures, Panel } from '../../parts/Panel';
import { Table } from '../../parts/Table';
import css from './runs.module.css';

const LineChart = lazy(() => import('../../parts/LineChart'));

const POINTS = 800;
const MOST = 24;
const LIVE_MS = 2000;

interface View {
  axis: string;
  log: boolean;
  table: boolean;
  smoothing: number;
}

/** The run's metrics: those with a history as charts, those with one value as figures. */
export function MetricCharts({ run }: { run: Run }) {
  const [view, setView] = useState<View>({ axis: 'step', log: false, table: false, smoothing: 0 });
  const keys = run.metrics.map((point) => point.key).sort();
  const live = run.status === 'RUNNING';
  const found = useQueries({
    queries: keys.slice(0, MOST).map((key) => ({
      ...ask.series(run.run_id, key, POINTS),
      ...(live ? { refetchInterval: LIVE_MS } : {}),
    })),
  });
  const series = found.flatMap((one) => (one.data ? [one.data] : []));
  const lines = series.filter((one) => one.total > 1);
  const single = run.metrics.filter((point) => !lines.some((line) => line.key === point.key));
  if (!keys.length)
    return (
      <Panel title="Metrics">
        <p className="soft">This run logged no metric.</p>
      </Panel>
    );
  return (
    <>
      {single.length > 0 && (
        <Panel title={lines.length ? 'Final values' : 'Metrics'}>
          <Figures of={single.map((point) => [point.key, num(point.value)])} />
        </Panel>
      )}
      {lines.length > 0 && <ChartTools view={view} onSet={(next) => setView({ ...view, ...next })} />}
      <div className={css.charts}>
        {lines.map((one) => (
          <MetricChart key={one.key} series={one} view={view} />
        ))}
      </div>
      {keys.length > MOST && <p className="soft">{keys.length - MOST} more metrics are not drawn.</p>}
    </>
  );
}

function ChartTools({ view, onSet }: { view: View; onSet: (next: Partial<View>) => void }) {
  return (
    <div className={css.chartTools}>
      <SegmentedControl
        size="xs"
        aria-label="Axis"
        value={view.axis}
        onChange={(axis) => onSet({ axis })}
        data={[
          { value: 'step', label: 'Step' },
          { value: 'time', label: 'Time' },
        ]}
      />
      <div className={css.smoothing}>
        <span id="smoothing" className="soft">
          Smoothing
        </span>
        <Slider
          size="sm"
          w={140}
          min={0}
          max={0.98}
          step={0.02}
          thumbLabel="Smoothing"
          label={(value) => value.toFixed(2)}
          value={view.smoothing}
          onChange={(smoothing) => onSet({ smoothing })}
        />
      </div>
      <Switch
        size="xs"
        label="Log y"
        checked={view.log}
        onChange={(event) => onSet({ log: event.currentTarget.checked })}
      />
      <Switch
        size="xs"
        label="Show as table"
        checked={view.table}
        onChange={(event) => onSet({ table: event.currentTarget.checked })}
      />
    </div>
  );
}

function MetricChart({ series, view }: { series: Series; view: View }) {
  const time = view.axis === 'time';
  const { points } = series;
  const last = points.at(-1);
  return (
    <Panel title={series.key} aside={<span className="soft">{num(last?.value)}</span>} flush>
      {view.table ? (
        <div className={css.pairs}>
          <Table
            label={series.key}
            rows={points.map((point, index) => ({ ...point, index }))}
            keyOf={(point) => String(point.index)}
            columns={[
              { name: 'Step', num: true, cell: (point) => point.step },
              { name: 'Time', num: true, cell: (point) => clock(point.timestamp_ms) },
              { name: 'Value', num: true, cell: (point) => num(point.value, 6) },
            ]}
          />
        </div>
      ) : (
        <Suspense fallback={<Waiting lines={5} />}>
          <LineChart
            label={series.key}
            xs={points.map((point) => (time ? point.timestamp_ms / 1000 : point.step))}
            ys={points.map((point) => point.value)}
            time={time}
            log={view.log}
            smoothing={view.smoothing}
          />
        </Suspense>
      )}
    </Panel>
  );
}
