import { type PointerEvent, useState } from 'react';
import { highlight, useHighlight } from '../../parts/highlight';
import { colourOf, dashOf } from '../../parts/lines';
import { useWidth } from '../../parts/useWidth';
import type { ChartedRun } from '../run/Charts';
import css from './compare.module.css';
import type { Axis } from './differ';

const HEIGHT = 300;
const TOP = 34;
const BOTTOM = 18;
const SIDE = 60;

type Brush = Record<string, [low: number, high: number]>;

const y = (place: number): number => HEIGHT - BOTTOM - place * (HEIGHT - TOP - BOTTOM);

/** Every run as a line across what differs. A drag along an axis keeps the runs inside; the table says it in numbers. */
export function Parallel({ axes, runs }: { axes: Axis[]; runs: ChartedRun[] }) {
  const [ref, width] = useWidth<HTMLDivElement>();
  const [brush, setBrush] = useState<Brush>({});
  const strong = useHighlight();
  const x = (index: number) => SIDE + (index * (width - 2 * SIDE)) / Math.max(1, axes.length - 1);
  const isIn = (rank: number) =>
    axes.every((axis) => {
      const span = brush[axis.name];
      const place = axis.places[rank];
      return !span || (place !== undefined && place >= span[0] && place <= span[1]);
    });
  const kept = runs.filter((_, rank) => isIn(rank)).length;
  const label = `Parallel coordinates of ${runs.length} runs over ${axes.map((axis) => axis.name).join(', ')}`;
  return (
    <div ref={ref}>
      {width > 0 && (
        <svg width={width} height={HEIGHT} role="img" aria-label={label} className={css.parallel}>
          {runs.map((run, rank) => (
            <path
              key={run.id}
              d={pathOf(axes, rank, x)}
              stroke={`var(${colourOf(rank)})`}
              strokeDasharray={dashOf(rank)?.join(' ')}
              data-faint={!isIn(rank) || (strong !== null && strong !== run.id)}
              data-strong={strong === run.id}
              onPointerEnter={() => highlight(run.id)}
              onPointerLeave={() => highlight(null)}
            >
              <title>{run.name}</title>
            </path>
          ))}
          {axes.map((axis, index) => (
            <AxisLine
              key={axis.name}
              axis={axis}
              x={x(index)}
              span={brush[axis.name]}
              onBrush={(span) =>
                setBrush(({ [axis.name]: _, ...rest }) => (span ? { ...rest, [axis.name]: span } : rest))
              }
            />
          ))}
        </svg>
      )}
      {Object.keys(brush).length > 0 && (
        <p className="row" style={{ padding: '0 14px 10px' }}>
          <span className="soft">
            {kept} of {runs.length} runs inside
          </span>
          <button type="button" className={css.reset} onClick={() => setBrush({})}>
            Show all
          </button>
        </p>
      )}
    </div>
  );
}

/** A line through the run's places; where it has none, the line is broken. */
function pathOf(axes: Axis[], rank: number, x: (index: number) => number): string {
  let path = '';
  let pen = false;
  for (const [index, axis] of axes.entries()) {
    const place = axis.places[rank];
    if (place !== undefined) path += `${pen ? 'L' : 'M'}${x(index).toFixed(1)} ${y(place).toFixed(1)}`;
    pen = place !== undefined;
  }
  return path;
}

interface AxisLineProps {
  axis: Axis;
  x: number;
  span: [number, number] | undefined;
  onBrush: (span: [number, number] | undefined) => void;
}

function AxisLine({ axis, x, span, onBrush }: AxisLineProps) {
  const [from, setFrom] = useState<number>();
  const placeAt = (event: PointerEvent<SVGRectElement>) => {
    const box = event.currentTarget.getBoundingClientRect();
    return Math.max(0, Math.min(1, 1 - (event.clientY - box.top) / box.height));
  };
  const ends = (to: number): [number, number] => [Math.min(from ?? to, to), Math.max(from ?? to, to)];
  return (
    <g>
      <text x={x} y={16} textAnchor="middle" className={css.axisName}>
        {axis.name.length > 16 ? `${axis.name.slice(0, 15)}…` : axis.name}
        <title>{axis.name}</title>
      </text>
      <line x1={x} x2={x} y1={TOP} y2={HEIGHT - BOTTOM} className={css.axis} />
      {axis.ticks.map((tick) => (
        <text key={tick.word} x={x + 5} y={y(tick.at) + 3} className={css.tick}>
          {tick.word}
        </text>
      ))}
      {span && (
        <rect x={x - 6} width={12} y={y(span[1])} height={Math.max(2, y(span[0]) - y(span[1]))} className={css.brush} />
      )}
      <rect
        x={x - 12}
        width={24}
        y={TOP}
        height={HEIGHT - TOP - BOTTOM}
        fill="transparent"
        style={{ cursor: 'ns-resize', touchAction: 'none' }}
        onPointerDown={(event) => {
          event.currentTarget.setPointerCapture(event.pointerId);
          setFrom(placeAt(event));
        }}
        onPointerMove={(event) => from !== undefined && onBrush(ends(placeAt(event)))}
        onPointerUp={(event) => {
          const [low, high] = ends(placeAt(event));
          if (high - low < 0.02) onBrush(undefined);
          setFrom(undefined);
        }}
      />
    </g>
  );
}
