import { Button } from '@mantine/core';
import { useState } from 'react';
import { seg } from '../../api/client';
import { useAct } from '../../parts/act';
import { Field } from '../../parts/Field';
import { PersonField, usePerson } from '../../parts/PersonField';

/** Approve or reject a request to promote, in the name of a person. */
export function Decide({ request }: { request: string }) {
  const person = usePerson();
  const [reason, setReason] = useState('');
  const act = useAct();
  const decide = (decision: 'approve' | 'reject') =>
    act.mutate({
      path: `/promotion-requests/${seg(request)}/${decision}`,
      body: { person: person.name, reason },
      done: decision === 'approve' ? `Approved by ${person.name}` : `Rejected by ${person.name}`,
    });
  return (
    <div className="tight">
      <div className="row" style={{ flexWrap: 'nowrap' }}>
        <PersonField person={person} grow={1} />
        <Field label="Reason" hint="Reason (optional)" value={reason} onSet={setReason} grow={2} />
      </div>
      <div className="row">
        <Button
          size="compact-sm"
          disabled={!person.name.trim()}
          loading={act.isPending}
          onClick={() => decide('approve')}
        >
          Approve
        </Button>
        <Button
          size="compact-sm"
          variant="default"
          disabled={!person.name.trim() || act.isPending}
          onClick={() => decide('reject')}
        >
          Reject
        </Button>
      </div>
    </div>
  );
}
