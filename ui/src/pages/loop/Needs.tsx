import { Button } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { seg } from '../../api/client';
import * as ask from '../../api/queries';
import type { Need } from '../../api/types';
import { at, encoded } from '../../app/paths';
import { NEED_STATE } from '../../app/TopBar';
import { useAct } from '../../parts/act';
import { Go } from '../../parts/Go';
import { Icon } from '../../parts/Icon';
import { Long } from '../../parts/Long';
import { Panel } from '../../parts/Panel';
import { State } from '../../parts/State';
import { Decide } from '../models/Decide';
import css from './loop.module.css';

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
        <Long text={need.sentence} />
      </p>
      <NeedAction need={need} />
    </li>
  );
}

function NeedAction({ need }: { need: Need }) {
  const act = useAct();
  if (need.kind === 'approval') return <Decide request={need.id} />;
  if (need.kind === 'gate') return <WaiveLink turn={need.id} />;
  if (need.kind === 'alert') {
    const order = { path: `/alerts/${seg(need.id)}/acknowledge`, done: `${need.id} acknowledged` };
    return (
      <div className="row">
        <Button size="compact-sm" variant="default" loading={act.isPending} onClick={() => act.mutate(order)}>
          Acknowledge
        </Button>
        <Go href={at.alert(need.id)}>See the evidence</Go>
      </div>
    );
  }
  const step = need.next_step;
  if (!step) return <Go href={encoded(need.link)}>Look at it</Go>;
  const order = { path: step.path, body: step.body, done: `${step.label}: done` };
  return (
    <div className="row">
      <Button size="compact-sm" variant="default" loading={act.isPending} onClick={() => act.mutate(order)}>
        {step.label}
      </Button>
      <Go href={encoded(need.link)}>{LOOK[need.kind] ?? 'Look at it'}</Go>
    </div>
  );
}

const LOOK: Record<string, string> = {
  rollout: 'Look at the guards, or resume it',
  turn: 'See where it stopped',
  revision: 'See the deployment',
};

function WaiveLink({ turn }: { turn: string }) {
  const { data } = useQuery(ask.turn(turn));
  const { data: loops = [] } = useQuery(ask.loops());
  const model = loops.find((one) => one.loop.name === data?.loop)?.loop.spec.model;
  if (!data?.model_version || !model) return null;
  return <Go href={`${at.version(model, data.model_version)}#gate`}>Read the verdicts, waive with a reason</Go>;
}
