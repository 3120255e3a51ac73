import type { Turn } from '../../api/types';
import { seconds } from '../../parts/format';
import { useNow } from '../../parts/Time';
import { LEGS } from '../../words';
import { spansOf } from './legs';
import css from './turns.module.css';

/** All legs of a turn as one thin bar: which took how much of its time. */
export function LegStrip({ turn }: { turn: Turn }) {
  const spans = spansOf(turn, useNow());
  const words = spans.map((span) => `${LEGS[span.leg.name] ?? span.leg.name} ${seconds(span.seconds)}`);
  return (
    <div className={css.strip} role="img" aria-label={words.join(', ') || 'No leg yet'} title={words.join('\n')}>
      {spans.map((span) => (
        <span
          key={span.leg.started_at + span.leg.name}
          data-leg={span.leg.name}
          data-live={span.live}
          style={{ flexGrow: Math.max(span.seconds, 0.01) }}
        />
      ))}
    </div>
  );
}
