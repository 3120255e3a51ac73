import { Button } from '@mantine/core';
import { seg } from '../../api/client';
import type { DeploymentDetail } from '../../api/types';
import { useAct } from '../../parts/act';
import css from './deployments.module.css';
import { RollBack } from './RollBack';

/** Move the rollout on, hold it, give it everything, or take it all back. */
export function Controls({ detail }: { detail: DeploymentDetail }) {
  const { deployment, rollout } = detail;
  const act = useAct();
  const path = (verb: string) => `/deployments/${seg(deployment.name)}/${verb}`;
  const moving = rollout && ['PROGRESSING', 'PAUSED'].includes(rollout.state);
  const held = rollout?.state === 'PAUSED' || rollout?.paused;
  return (
    <div className={css.danger}>
      {moving && (
        <>
          <Button
            size="compact-sm"
            variant="default"
            disabled={act.isPending}
            onClick={() =>
              act.mutate({ path: path('advance'), body: { reason: '' }, done: 'Advanced to the next step' })
            }
          >
            Advance
          </Button>
          {held ? (
            <Button
              size="compact-sm"
              variant="default"
              disabled={act.isPending}
              onClick={() => act.mutate({ path: path('resume'), done: 'The rollout goes on' })}
            >
              Resume
            </Button>
          ) : (
            <Button
              size="compact-sm"
              variant="default"
              disabled={act.isPending}
              onClick={() => act.mutate({ path: path('hold'), done: 'The rollout is held' })}
            >
              Hold
            </Button>
          )}
          <Button
            size="compact-sm"
            disabled={act.isPending}
            onClick={() =>
              act.mutate({ path: path('promote'), body: { reason: '' }, done: 'The candidate takes all traffic' })
            }
          >
            Promote
          </Button>
        </>
      )}
      <RollBack detail={detail} />
    </div>
  );
}
