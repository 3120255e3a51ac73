import { signed } from '../../parts/format';
import css from './models.module.css';

/** A difference with its interval on a line with zero, so that one sees whether it may be chance. */
export function Interval({
  low,
  high,
  value,
  margin = 0,
}: {
  low: number;
  high: number;
  value: number;
  margin?: number;
}) {
  const most = Math.max(Math.abs(low), Math.abs(high), Math.abs(margin), 1e-9) * 1.15;
  const x = (at: number) => 50 + (at / most) * 50;
  const label = `difference ${signed(value)}, between ${signed(low)} and ${signed(high)}`;
  return (
    <div className={css.interval} role="img" aria-label={label} title={label}>
      <svg viewBox="0 0 100 14" preserveAspectRatio="none" aria-hidden="true">
        <line x1={50} x2={50} y1={0} y2={14} className={css.zero} />
        {margin > 0 && <line x1={x(-margin)} x2={x(-margin)} y1={1} y2={13} className={css.margin} />}
        <line x1={x(low)} x2={x(high)} y1={7} y2={7} className={css.span} />
        <line x1={x(value)} x2={x(value)} y1={3} y2={11} className={css.value} />
      </svg>
      <span className="faint">
        {signed(low)} to {signed(high)}
      </span>
    </div>
  );
}
