import 'uplot/dist/uPlot.min.css';
import { useComputedColorScheme } from '@mantine/core';
import { useEffect, useRef } from 'react';
import uPlot from 'uplot';
import { num } from './format';
import { smooth } from './smooth';
import { useWidth } from './useWidth';

export interface LineChartProps {
  label: string;
  xs: number[];
  ys: (number | null)[];
  time: boolean;
  log: boolean;
  smoothing: number;
  threshold?: number | null;
  height?: number;
  color?: string;
}

/** One line over steps or time; the raw line stays faintly behind the smoothed one. */
export default function LineChart(props: LineChartProps) {
  const { label, xs, ys, time, log, smoothing, threshold = null, height = 214, color = '--line-1' } = props;
  const scheme = useComputedColorScheme('light');
  const [ref, width] = useWidth<HTMLDivElement>();
  const chart = useRef<uPlot | null>(null);
  const points = xs.length;
  const data = dataOf(xs, ys, smoothing, threshold, log);
  const latest = useRef(data);
  latest.current = data;

  // biome-ignore lint/correctness/useExhaustiveDependencies: a new scheme means new colours
  useEffect(() => {
    if (!ref.current || !width) return;
    const made = new uPlot(
      optionsOf({ width, height, time, log, color, few: points < 40, label }),
      latest.current,
      ref.current,
    );
    chart.current = made;
    return () => {
      made.destroy();
      chart.current = null;
    };
  }, [ref, scheme, width, height, time, log, color, label, points < 40]);

  useEffect(() => {
    chart.current?.setData(data);
  });

  return (
    <div ref={ref} role="img" aria-label={`${label}: ${points} points, last ${num(ys.at(-1))}`} style={{ height }} />
  );
}

function dataOf(
  xs: number[],
  ys: (number | null)[],
  smoothing: number,
  threshold: number | null,
  log: boolean,
): uPlot.AlignedData {
  const raw = log ? ys.map((y) => (y !== null && y > 0 ? y : null)) : ys;
  return [xs, raw, smooth(raw, smoothing), xs.map(() => threshold)];
}

interface Options {
  width: number;
  height: number;
  time: boolean;
  log: boolean;
  color: string;
  few: boolean;
  label: string;
}

function optionsOf({ width, height, time, log, color, few, label }: Options): uPlot.Options {
  const style = getComputedStyle(document.documentElement);
  const token = (name: string) => style.getPropertyValue(name).trim();
  const axis: uPlot.Axis = {
    stroke: token('--faint'),
    grid: { stroke: token('--line'), width: 1 },
    ticks: { show: false },
    font: `11px ${token('--sans')}`,
    size: 28,
  };
  return {
    width,
    height,
    legend: { show: false },
    cursor: { y: false, points: { size: 6 } },
    scales: { x: { time }, y: { distr: log ? 3 : 1 } },
    axes: [axis, { ...axis, size: 52, values: (_, splits) => splits.map((one) => (one === null ? '' : num(one, 3))) }],
    series: [
      {},
      { label: 'raw', stroke: `${token(color)}55`, width: 1, points: { show: false } },
      { label, stroke: token(color), width: 1.8, points: { show: few, size: 5 } },
      { label: 'threshold', stroke: token('--bad'), width: 1, dash: [5, 4], points: { show: false } },
    ],
  };
}
