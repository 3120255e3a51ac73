import type { OutcomeReading } from '../../api/types';
import { num, percent, seconds } from '../../parts/format';
import { Ago } from '../../parts/Time';
import css from './outcomes.module.css';

/** What the outcomes of a rollout say: both means, the lift with its interval, and who did not count. */
export function Outcomes({ readings }: { readings: OutcomeReading[] }) {
  const edge = Math.max(0.05, ...readings.flatMap((one) => [-(one.lift_low ?? 0), one.lift_high ?? 0])) * 1.1;
  return (
    <ul className={css.outcomes}>
      {readings.map((one) => (
        <li key={one.spec.name} className={css.outcome}>
          <div className="row apart">
            <h3>
              {one.spec.name} {one.decides && <span className={css.decides}>decides</span>}
            </h3>
            <span className="faint">
              read <Ago at={one.read_at} />
            </span>
          </div>
          <dl className={css.means}>
            <Mean name="Stable" reading={one} arm="stable" />
            <Mean name="Candidate" reading={one} arm="candidate" />
            <div>
              <dt>Lift</dt>
              <dd>{one.lift === null || one.lift === undefined ? '–' : lift(one.lift)}</dd>
            </div>
          </dl>
          <Interval reading={one} edge={Math.min(edge, 2)} />
          <p className="soft">{counted(one)}</p>
        </li>
      ))}
    </ul>
  );
}

function Mean({ name, reading, arm }: { name: string; reading: OutcomeReading; arm: 'stable' | 'candidate' }) {
  const { count, total } = reading[arm];
  return (
    <div>
      <dt>{name}</dt>
      <dd>
        {count ? num(total / count) : '–'}{' '}
        <span className="faint">
          of {num(count)} {reading.spec.per}s
        </span>
      </dd>
    </div>
  );
}

/** The interval of the lift on a line with zero in its middle: what touches zero shows no difference. */
function Interval({ reading, edge }: { reading: OutcomeReading; edge: number }) {
  const { lift_low: low, lift_high: high, lift: middle } = reading;
  if (low === null || low === undefined || high === null || high === undefined)
    return <p className="faint">Too little yet for an interval of the lift.</p>;
  const place = (value: number) => 50 + (50 * Math.max(-edge, Math.min(edge, value))) / edge;
  const sign = reading.spec.higher_is_better ? 1 : -1;
  const tone = low > 0 ? sign : high < 0 ? -sign : 0;
  const words = tone > 0 ? 'better' : tone < 0 ? 'worse' : 'no difference shown';
  const label = `the lift lies between ${lift(low)} and ${lift(high)}: ${words}`;
  return (
    <div className={css.interval}>
      <div className={css.track} role="img" aria-label={label} title={label} data-tone={tone}>
        <span className={css.zero} />
        <span className={css.span} style={{ left: `${place(low)}%`, right: `${100 - place(high)}%` }} />
        <span className={css.middle} style={{ left: `${place(middle ?? 0)}%` }} />
      </div>
      <span className="soft">
        {lift(low)} to {lift(high)}, {words}
      </span>
    </div>
  );
}

const lift = (value: number): string => `${value > 0 ? '+' : value < 0 ? '−' : ''}${percent(Math.abs(value))}`;

const LEFT_OUT: [keyof OutcomeReading['units'], string][] = [
  ['waiting', 'whose window is open'],
  ['both', 'that both variants served'],
  ['moved', 'that a larger share moves'],
  ['burn_in', 'of the burn-in'],
  ['unanswered', 'without an answer'],
  ['strangers', 'with feedback that this rollout did not serve'],
];

function counted({ spec, units }: OutcomeReading): string {
  const missing =
    spec.missing === null || spec.missing === undefined
      ? `${spec.per}s without any are left out`
      : `${spec.per}s without any count as ${num(spec.missing)}`;
  const left = LEFT_OUT.filter(([name]) => units[name]).map(([name, why]) => `${num(units[name] as number)} ${why}`);
  const parts = [`The ${spec.kind} of ${seconds(spec.window_s)} after the first call; ${missing}.`];
  if (left.length) parts.push(`Not counted: ${left.join(', ')}.`);
  if (units.keyless) parts.push(`${num(units.keyless)} calls had no assignment key.`);
  if (units.not_numbers) parts.push(`${num(units.not_numbers)} pieces of feedback were no numbers.`);
  if (units.cap !== null && units.cap !== undefined) parts.push(`Values over ${num(units.cap)} count as that.`);
  return parts.join(' ');
}
