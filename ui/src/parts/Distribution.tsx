import type { Histogram } from '../api/types';
import css from './distribution.module.css';
import { num, percent } from './format';

const WIDTH = 240;
const HEIGHT = 90;

interface Words {
  /** What the sides are called: the one before as an area, the one now as bars. */
  before: string;
  now: string;
  /** How a value at the edge of a bin is written. */
  written?: (value: number | null | undefined) => string;
}

/** What the area and the bars of distributions stand for. */
export function Legend({ before, now }: Pick<Words, 'before' | 'now'>) {
  return (
    <span className={css.legend}>
      {before && (
        <>
          <i data-side="reference" /> {before}
        </>
      )}
      <i data-side="window" /> {now}
    </span>
  );
}

/** A column's values in two sets of rows, in the same bins. */
export function Distribution({ of, ...words }: { of: Histogram } & Words) {
  if (!of.bins.length) return null;
  return of.kind === 'number' ? <Bars of={of} {...words} /> : <Categories of={of} {...words} />;
}

const mostOf = (of: Histogram) => Math.max(...of.bins.flatMap((bin) => [bin.reference ?? 0, bin.window ?? 0]), 1e-9);

const sharesOf = (bin: Histogram['bins'][number], { before, now }: Words) =>
  [before && `${before} ${percent(bin.reference ?? 0)}`, `${now} ${percent(bin.window ?? 0)}`]
    .filter(Boolean)
    .join(', ');

function Bars({ of, ...words }: { of: Histogram } & Words) {
  const { before, now, written = num } = words;
  const most = mostOf(of);
  const step = WIDTH / of.bins.length;
  const top = (value: number | undefined) => HEIGHT * (1 - (value ?? 0) / most);
  const outline = of.bins.map(
    (bin, at) => `L${at * step},${top(bin.reference)}L${(at + 1) * step},${top(bin.reference)}`,
  );
  const first = of.bins[0];
  const last = of.bins.at(-1);
  return (
    <>
      <svg className={css.plot} viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img">
        <title>{`${of.column}: shares of ${of.bins.length} bins, ${[before, now].filter(Boolean).join(' and ')}`}</title>
        <path className={css.reference} d={`M0,${HEIGHT}${outline.join('')}L${WIDTH},${HEIGHT}Z`} />
        {of.bins.map((bin, at) => (
          <rect
            key={bin.low}
            className={css.window}
            x={at * step + step * 0.2}
            width={step * 0.6}
            y={top(bin.window)}
            height={HEIGHT - top(bin.window)}
          >
            <title>{`${written(bin.low)} to ${written(bin.high)}: ${sharesOf(bin, words)}`}</title>
          </rect>
        ))}
      </svg>
      <div className={css.ends}>
        <span>{written(first?.low)}</span>
        <span>{written(last?.high)}</span>
      </div>
    </>
  );
}

function Categories({ of, ...words }: { of: Histogram } & Words) {
  const most = mostOf(of);
  return (
    <ul className={css.categories}>
      {of.bins.map((bin) => (
        <li key={bin.label} title={`${bin.label}: ${sharesOf(bin, words)}`}>
          <span className={css.label}>{bin.label || '(empty)'}</span>
          <span className={css.pair}>
            {words.before && <i data-side="reference" style={{ width: `${((bin.reference ?? 0) / most) * 100}%` }} />}
            <i data-side="window" style={{ width: `${((bin.window ?? 0) / most) * 100}%` }} />
          </span>
          <span className={css.share}>{percent(bin.window ?? 0)}</span>
        </li>
      ))}
    </ul>
  );
}
