import { Button } from '@mantine/core';
import { useState } from 'react';
import { seg } from '../../api/client';
import { useAct, usePerson } from '../../parts/act';
import { Field } from '../../parts/Field';

/** Approve or reject a request to promote, in the name of a person. */
export function Decide({ request }: { request: string }) {
  const [person, setPerson] = usePerson();
  const [reason, setReason] = useState('');
  const act = useAct();
  const decide = (decision: 'approve' | 'reject') =>
    act.mutate({
      path: `/promotion-requests/${seg(request)}/${decision}`,
      body: { person, reason },
      done: decision === 'approve' ? `Approved by ${person}` : `Rejected by ${person}`,
    });
  return (
    <div className="tight">
      <div className="row" style={{ flexWrap: 'nowrap' }}>
        <Field label="Your name" value={person} onSet={setPerson} grow={1} />
        <Field label="Reason" hint="Reason (optional)" value={reason} onSet={setReason} grow={2} />
      </div>
      <div className="row">
        <Button size="compact-sm" disabled={!person.trim()} loading={act.isPending} onClick={() => decide('approve')}>
          Approve
        </Button>
        <Button
          size="compact-sm"
          variant="default"
          disabled={!person.trim() || act.isPending}
          onClick={() => decide('reject')}
        >
          Reject
        </Button>
      </div>
    </div>
  );
}
