import '@mantine/core/styles/Overlay.css';
import '@mantine/core/styles/ModalBase.css';
import '@mantine/core/styles/Modal.css';
import { Button, Modal, TextInput } from '@mantine/core';
import { useEffect, useState } from 'react';
import { seg } from '../../api/client';
import type { DeploymentDetail } from '../../api/types';
import { useAct } from '../../parts/act';
import { HoldButton } from '../../parts/HoldButton';
import { Icon } from '../../parts/Icon';
import { isTyping } from '../../parts/rowKeys';
import css from './deployments.module.css';

/** Move the rollout on, hold it, give it everything, or take it all back. */
export function Controls({ detail }: { detail: DeploymentDetail }) {
  const { deployment, rollout } = detail;
  const [asking, setAsking] = useState(false);
  const [reason, setReason] = useState('');
  const act = useAct();
  const path = (verb: string) => `/deployments/${seg(deployment.name)}/${verb}`;
  const canRollBack = !!rollout || deployment.previous > 0;
  const rollBack = () => {
    setAsking(false);
    act.mutate({ path: path('rollback'), body: { reason }, done: `${deployment.name} is rolled back` });
    setReason('');
  };
  useRollbackKey(canRollBack, () => setAsking(true));
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
      <HoldButton onHeld={rollBack} onAsk={() => setAsking(true)} disabled={!canRollBack || act.isPending}>
        <Icon name="back" />
        <span>Roll back</span>
        <kbd>R</kbd>
      </HoldButton>
      <Modal opened={asking} onClose={() => setAsking(false)} title={`Roll back ${deployment.name}?`}>
        <form
          className="stack"
          onSubmit={(event) => {
            event.preventDefault();
            rollBack();
          }}
        >
          <p>{sentenceOf(detail)}</p>
          <TextInput
            label="Reason"
            description="It stays in the audit trail"
            value={reason}
            onChange={(event) => setReason(event.currentTarget.value)}
            data-autofocus
          />
          <div className="row">
            <Button type="submit" color="red" size="compact-md">
              Roll back now
            </Button>
            <Button variant="subtle" color="gray" size="compact-md" onClick={() => setAsking(false)}>
              Leave it
            </Button>
          </div>
        </form>
      </Modal>
    </div>
  );
}

function sentenceOf({ deployment, rollout, revisions }: DeploymentDetail): string {
  const version = (number: number) => revisions.find((one) => one.number === number)?.model_version ?? '?';
  if (rollout)
    return `The rollout of version ${version(rollout.candidate)} ends; version ${version(deployment.stable)} takes all traffic.`;
  return `Version ${version(deployment.previous)} takes all traffic from version ${version(deployment.stable)}. It is loaded, so this is instant.`;
}

function useRollbackKey(enabled: boolean, ask: () => void) {
  useEffect(() => {
    if (!enabled) return;
    const onKey = (event: KeyboardEvent) => {
      if (event.key.toLowerCase() !== 'r' || event.defaultPrevented || isTyping(event)) return;
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      ask();
    };
    window.addEventListener('keydown', onKey);
    return () => window.removeEventListener('keydown', onKey);
  });
}
