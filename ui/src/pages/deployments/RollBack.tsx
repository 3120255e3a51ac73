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

/** Take all traffic back: held down it acts, pressed it asks for a reason, which begins as `why`. */
export function RollBack({ detail, why = '' }: { detail: DeploymentDetail; why?: string }) {
  const { deployment, rollout } = detail;
  const [asking, setAsking] = useState(false);
  const [reason, setReason] = useState(why);
  const act = useAct();
  const canRollBack = !!rollout || deployment.previous > 0;
  const rollBack = () => {
    setAsking(false);
    act.mutate({
      path: `/deployments/${seg(deployment.name)}/rollback`,
      body: { reason },
      done: `${deployment.name} is rolled back`,
    });
    setReason(why);
  };
  useRollbackKey(canRollBack, () => setAsking(true));
  return (
    <>
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
    </>
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
