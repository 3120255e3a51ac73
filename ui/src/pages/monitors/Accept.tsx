import { Button, Textarea } from '@mantine/core';
import { useState } from 'react';
import { seg } from '../../api/client';
import { useAct } from '../../parts/act';

/** A form that accepts what an alert found as normal, with the reason that stays in the audit trail. */
export function Accept({ id, onClose }: { id: string; onClose: () => void }) {
  const [reason, setReason] = useState('');
  const act = useAct();
  return (
    <form
      className="tight"
      aria-label={`Accept ${id} as normal`}
      onSubmit={(event) => {
        event.preventDefault();
        act.mutate({ path: `/alerts/${seg(id)}/accept`, body: { reason }, done: `${id} is accepted as normal` });
      }}
    >
      <Textarea
        size="xs"
        label="Why this is normal from now on"
        description="The reference of these columns moves to what came in, their rows may be learned from, and the alert is resolved. The reason stays in the audit trail."
        value={reason}
        onChange={(event) => setReason(event.currentTarget.value)}
        required
        rows={2}
      />
      <div className="row">
        <Button type="submit" size="compact-sm" disabled={!reason.trim()} loading={act.isPending}>
          Accept as normal
        </Button>
        <Button size="compact-sm" variant="subtle" color="gray" onClick={onClose}>
          Leave it
        </Button>
      </div>
    </form>
  );
}
