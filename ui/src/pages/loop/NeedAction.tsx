import { Button } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { seg } from '../../api/client';
import * as ask from '../../api/queries';
import type { Need } from '../../api/types';
import { at, encoded } from '../../app/paths';
import { useAct } from '../../parts/act';
import { Go } from '../../parts/Go';
import { Decide } from '../models/Decide';

/** The step that answers what waits for a person. */
export default function NeedAction({ need }: { need: Need }) {
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
  if (!step) return <Go href={encoded(need.link)}>{LOOK[need.kind] ?? 'Look at it'}</Go>;
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
  loop: 'See what begins its turns',
  data: 'See the checks and the rows',
  revision: 'See the deployment',
};

function WaiveLink({ turn }: { turn: string }) {
  const { data } = useQuery(ask.turn(turn));
  const { data: loops = [] } = useQuery(ask.loops());
  const model = loops.find((one) => one.loop.name === data?.loop)?.loop.spec.model;
  if (!data?.model_version || !model) return null;
  return <Go href={`${at.version(model, data.model_version)}#gate`}>Read the verdicts, waive with a reason</Go>;
}
