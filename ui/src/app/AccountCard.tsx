import { Button } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { setSession } from '../api/session';
import { signOut } from '../api/signIn';
import type { SessionView } from '../api/types';
import { ProblemBox } from '../parts/Asked';
import { clock } from '../parts/format';

/** What each permission allows, in the words of the pages. */
const MAY: Record<string, string> = {
  read: 'see everything',
  write: 'log runs, register models, start and cancel turns',
  deploy: 'move aliases, deploy and roll back',
  approve: 'approve, reject and waive',
  worker: 'run steps',
  gateway: 'serve models',
  admin: 'make tokens and protect aliases',
};

/** Who one is and what one may do, and the way out. */
export default function AccountCard({ who }: { who: SessionView }) {
  const leave = useMutation({ mutationFn: signOut });
  const allowed = who.permissions.map((permission) => MAY[permission] ?? permission);
  return (
    <>
      <p>
        <strong>{who.name}</strong> <span className="soft">({who.role})</span>
      </p>
      <p className="soft">You may:</p>
      <ul>
        {allowed.map((sentence) => (
          <li key={sentence}>{sentence}</li>
        ))}
      </ul>
      {who.csrf && who.expires_at && <p className="soft">This session ends at {clock(who.expires_at)}.</p>}
      {!who.csrf && <p className="soft">This server asks nobody on its own machine to sign in.</p>}
      {leave.isError && <ProblemBox error={leave.error} />}
      {who.csrf ? (
        <Button size="compact-sm" variant="default" loading={leave.isPending} onClick={() => leave.mutate()}>
          Sign out
        </Button>
      ) : (
        <Button size="compact-sm" variant="default" onClick={() => setSession({ state: 'out', why: 'asked' })}>
          Sign in with a token
        </Button>
      )}
    </>
  );
}
