import { Button } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { seg } from '../../api/client';
import * as ask from '../../api/queries';
import type { Alert, LoopDetail, Turn } from '../../api/types';
import { at } from '../../app/paths';
import { useAct } from '../../parts/act';
import { Go } from '../../parts/Go';
import { Panel } from '../../parts/Panel';
import { State } from '../../parts/State';
import { RollBack } from '../deployments/RollBack';
import { turnId } from '../turns/TurnTable';
import { alertId } from './AlertsPage';
import { type AlertTrigger, answerOf, triggersOf } from './answers';

/** The turns that an alert began; of each trigger that hears it, why it began none; and what a person can do. */
export function AlertTurns({ alert }: { alert: Alert }) {
  const id = alertId(alert);
  const { data: turns = [] } = useQuery(ask.turns());
  const { data: loops = [] } = useQuery(ask.loops());
  const began = turns.filter((turn) => turn.cause.kind === 'alert' && turn.cause.subject === id);
  const detail = loops.find((one) => one.loop.spec.deployment === alert.deployment);
  return (
    <Panel title="What it began">
      <div className="stack">
        {began.map((turn) => (
          <Began key={turnId(turn)} turn={turn} />
        ))}
        {detail && triggersOf(detail, alert).map((one) => <Heard key={one.name} trigger={one} began={began} id={id} />)}
        {detail && triggersOf(detail, alert).length === 0 && (
          <p className="soft">
            No turn: no trigger of {detail.loop.name} begins one for a {alert.kind} alert.
          </p>
        )}
        {!detail && loops.length > 0 && <p className="soft">No turn: no loop trains for {alert.deployment}.</p>}
        {detail && alert.state !== 'resolved' && <Acts detail={detail} alert={alert} />}
      </div>
    </Panel>
  );
}

function Began({ turn }: { turn: Turn }) {
  return (
    <div className="row apart">
      <Go href={at.turn(turnId(turn))} style={{ fontWeight: 600 }}>
        {turnId(turn)}
      </Go>
      <State state={turn.state} />
    </div>
  );
}

function Heard({ trigger, began, id }: { trigger: AlertTrigger; began: Turn[]; id: string }) {
  const act = useAct();
  const answer = answerOf(trigger, id, began.length > 0);
  return (
    <div className="row apart">
      <span className="soft">
        Trigger <span className="mono">{trigger.name}</span>: {answer}
      </span>
      <Button
        size="compact-sm"
        variant="default"
        disabled={act.isPending}
        onClick={() =>
          act.mutate({
            path: `/triggers/${seg(trigger.loop)}/${seg(trigger.name)}/mute`,
            body: { muted: !trigger.muted },
            done: trigger.muted ? `${trigger.name} is heard again` : `${trigger.name} is muted`,
          })
        }
      >
        {trigger.muted ? 'Unmute' : 'Mute'}
      </Button>
    </div>
  );
}

function Acts({ detail, alert }: { detail: LoopDetail; alert: Alert }) {
  const act = useAct();
  const id = alertId(alert);
  const deployment = useQuery(ask.deployment(alert.deployment));
  return (
    <div className="row">
      <Button
        size="compact-sm"
        variant="default"
        loading={act.isPending}
        onClick={() =>
          act.mutate({
            path: `/loops/${seg(detail.loop.name)}/turns`,
            body: { reason: `alert ${id}`, harvest: false },
            done: 'A turn began',
          })
        }
      >
        Train again
      </Button>
      {deployment.data && <RollBack detail={deployment.data} why={`alert ${id}`} />}
    </div>
  );
}
