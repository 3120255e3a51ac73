import 'uplot/dist/uPlot.min.css';
import { useComputedColorScheme } from '@mantine/core';
import { useEffect, useRef, useState } from 'react';
import uPlot from 'uplot';
import { num, seconds } from './format';
import { highlight, highlighted, onHighlight } from './highlight';
import { colourOf, columnsOf, type DrawnLine, dashOf, hasBand, nearest, PER_LINE } from './lines';
import css from './parts.module.css';
import { useWidth } from './useWidth';

export interface RunChartProps {
  label: string;
  lines: DrawnLine[];
  axis: 'step' | 'time' | 'relative';
  log: boolean;
  smoothing: number;
  /** Charts of one group share their crosshair. */
  group: string;
  onZoom?: (from: number, to: number) => void;
  height?: number;
}

/** Lines of one or several runs: smoothed over the faint raw line, with a band of least and greatest behind. */
export default function RunChart(props: RunChartProps) {
  const { label, lines, axis, log, smoothing, group, onZoom, height = 214 } = props;
  const scheme = useComputedColorScheme('light');
  const [ref, width] = useWidth<HTMLDivElement>();
  const chart = useRef<uPlot | null>(null);
  const [at, setAt] = useState<number | null>(null);
  const data = columnsOf(lines, smoothing, log) as uPlot.AlignedData;
  const latest = useRef({ lines, onZoom, data });
  latest.current = { lines, onZoom, data };
  const shape = lines.map((line) => `${line.run}:${line.rank}:${hasBand(line)}`).join();
  const few = lines.every((line) => line.x.length < 40);

  // biome-ignore lint/correctness/useExhaustiveDependencies: a new scheme means new colours, a new shape new series
  useEffect(() => {
    if (!ref.current || !width) return;
    const { lines: drawn } = latest.current;
    const options = optionsOf({ lines: drawn, width, height, axis, log, few, smoothing, group });
    options.hooks = {
      setCursor: [
        (plot) =>
          setAt(
            plot.cursor.idx === null || plot.cursor.idx === undefined ? null : (plot.data[0][plot.cursor.idx] ?? null),
          ),
      ],
      setSelect: [
        (plot) => {
          if (plot.select.width < 4) return;
          const [from, to] = [plot.select.left, plot.select.left + plot.select.width].map((x) => plot.posToVal(x, 'x'));
          plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
          const unit = axis === 'time' ? 1000 : 1;
          if (from !== undefined && to !== undefined) latest.current.onZoom?.(from * unit, to * unit);
        },
      ],
      setSeries: [
        (plot, series) => {
          if (!plot.cursor.event) return; // told by another chart
          highlight(series ? (latest.current.lines[Math.floor((series - 1) / PER_LINE)]?.run ?? null) : null);
        },
      ],
    };
    const made = new uPlot(options, inAxis(latest.current.data, axis), ref.current);
    chart.current = made;
    const show = () => {
      const index = latest.current.lines.findIndex((line) => line.run === highlighted());
      made.setSeries(index < 0 ? null : index * PER_LINE + 2, { focus: true }, false);
    };
    const stop = onHighlight(show);
    return () => {
      stop();
      made.destroy();
      chart.current = null;
    };
  }, [ref, scheme, width, height, axis, log, few, shape, smoothing > 0, group]);

  useEffect(() => {
    chart.current?.setData(inAxis(data, axis));
  });

  const total = lines.reduce((sum, line) => sum + line.x.length, 0);
  const last = lines.length === 1 ? `, last ${num(lines[0]?.last.at(-1))}` : ` of ${lines.length} runs`;
  return (
    <div>
      <div ref={ref} role="img" aria-label={`${label}: ${total} points${last}`} style={{ height }} />
      <Readout lines={lines} axis={axis} at={at === null ? null : axis === 'time' ? at * 1000 : at} />
    </div>
  );
}

/** uPlot counts time in seconds. */
const inAxis = (data: uPlot.AlignedData, axis: string): uPlot.AlignedData =>
  axis === 'time' ? ([data[0].map((x) => x / 1000), ...data.slice(1)] as uPlot.AlignedData) : data;

const MOST = 6;

export const placeWord = (x: number, axis: string): string => {
  if (axis === 'step') return `step ${num(x)}`;
  return axis === 'time' ? new Date(x).toLocaleString('en-GB') : `after ${seconds(x / 1000)}`;
};

/** What stands under the crosshair; without one, where the lines end. */
function Readout({ lines, axis, at }: { lines: DrawnLine[]; axis: string; at: number | null }) {
  const end = Math.max(...lines.map((line) => line.x.at(-1) ?? Number.NEGATIVE_INFINITY));
  const x = at ?? end;
  if (!Number.isFinite(x)) return null;
  return (
    <p className={css.readout}>
      <span className="faint nowrap">{placeWord(x, axis)}</span>
      {lines.slice(0, MOST).map((line) => (
        <span key={line.run} className="nowrap" title={line.name}>
          {lines.length > 1 && <i style={{ background: `var(${colourOf(line.rank)})` }} />}
          {num(nearest(line, x))}
        </span>
      ))}
    </p>
  );
}

interface Options {
  lines: DrawnLine[];
  width: number;
  height: number;
  axis: string;
  log: boolean;
  few: boolean;
  smoothing: number;
  group: string;
}

function optionsOf({ lines, width, height, axis, log, few, smoothing, group }: Options): uPlot.Options {
  const style = getComputedStyle(document.documentElement);
  const token = (name: string) => style.getPropertyValue(name).trim();
  const plain: uPlot.Axis = {
    stroke: token('--faint'),
    grid: { stroke: token('--line'), width: 1 },
    ticks: { show: false },
    font: `11px ${token('--sans')}`,
    size: 28,
  };
  const xAxis: uPlot.Axis =
    axis === 'relative' ? { ...plain, values: (_, splits) => splits.map((one) => seconds(one / 1000)) } : plain;
  const series: uPlot.Series[] = [{}];
  const bands: uPlot.Band[] = [];
  for (const line of lines) {
    const colour = token(colourOf(line.rank));
    const hidden: uPlot.Series = { stroke: 'transparent', width: 0, points: { show: false }, spanGaps: true };
    const raw = smoothing > 0 ? { ...hidden, stroke: `${colour}55`, width: 1 } : hidden;
    const shown = {
      stroke: colour,
      width: 1.8,
      dash: dashOf(line.rank),
      points: { show: few, size: 5 },
      spanGaps: true,
    };
    if (hasBand(line)) bands.push({ series: [series.length + 3, series.length + 2], fill: `${colour}22` });
    series.push(raw, { ...shown, label: line.name }, hidden, hidden);
  }
  return {
    width,
    height,
    legend: { show: false },
    focus: { alpha: lines.length > 1 ? 0.25 : 1 },
    cursor: {
      y: false,
      points: { show: false },
      focus: { prox: lines.length > 1 ? 24 : -1 },
      drag: { x: true, y: false, setScale: false },
      sync: { key: group, setSeries: false },
    },
    scales: { x: { time: axis === 'time' }, y: { distr: log ? 3 : 1 } },
    axes: [
      xAxis,
      { ...plain, size: 54, values: (_, splits) => splits.map((one) => (one === null ? '' : num(one, 3))) },
    ],
    series,
    bands,
  };
}
