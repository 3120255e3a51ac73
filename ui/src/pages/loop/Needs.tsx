import { lazy, Suspense } from 'react';
import type { Need } from '../../api/types';
import { encoded } from '../../app/paths';
import { NEED_STATE } from '../../app/TopBar';
import { begun } from '../../parts/format';
import { Go } from '../../parts/Go';
import { Icon } from '../../parts/Icon';
import { Long } from '../../parts/Long';
import { Panel } from '../../parts/Panel';
import { State } from '../../parts/State';
import css from './loop.module.css';

// with its form, which the first page does without where nothing waits
const NeedAction = lazy(() => import('./NeedAction'));

/** What waits for a person, each with the step that answers it. */
export function Needs({ needs }: { needs: Need[] }) {
  const aside = needs.length ? <span className="soft">{needs.length}</span> : undefined;
  return (
    <Panel title="Needs you" aside={aside} flush>
      {needs.length === 0 ? (
        <p className={css.calm}>
          <Icon name="check" size={15} /> Nothing waits for a person.
        </p>
      ) : (
        <ul>
          {needs.map((need) => (
            <NeedRow key={need.kind + need.id} need={need} />
          ))}
        </ul>
      )}
    </Panel>
  );
}

function NeedRow({ need }: { need: Need }) {
  const [state, word] = NEED_STATE[need.kind] ?? [need.kind, need.kind];
  return (
    <li className={css.need}>
      <div className="row apart">
        <State state={state} word={word} />
        <Go href={encoded(need.link)} className="mono">
          {need.kind === 'approval' ? need.link.replace('/models/', '') : need.id}
        </Go>
      </div>
      <p>
        <Long text={begun(need.sentence)} />
      </p>
      <Suspense>
        <NeedAction need={need} />
      </Suspense>
    </li>
  );
}
