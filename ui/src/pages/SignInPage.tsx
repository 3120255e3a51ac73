import { Button, PasswordInput } from '@mantine/core';
import '@mantine/core/styles/PasswordInput.css';
import { useMutation } from '@tanstack/react-query';
import { type FormEvent, useEffect, useState } from 'react';
import type { Out } from '../api/session';
import { loadSession, signIn } from '../api/signIn';
import { ProblemBox } from '../parts/Asked';
import css from './signIn.module.css';

const SENTENCE: Record<Out, string> = {
  none: 'This server knows people by their token.',
  ended: 'Your session has ended. Sign in to return to the page where you were.',
  left: 'You are signed out.',
  asked: 'With a token of your own, approvals and changes carry your name.',
};

/** A session for a token; the page behind it appears when the server has accepted the token. */
export default function SignInPage({ why }: { why: Out }) {
  const [token, setToken] = useState('');
  const attempt = useMutation({ mutationFn: signIn });
  useEffect(() => {
    document.title = 'Sign in · Helicline';
  }, []);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (token.trim()) attempt.mutate(token.trim());
  };
  return (
    <main className={css.ground}>
      <form className={css.card} onSubmit={submit} aria-label="Sign in">
        <p className={css.name}>
          <img src="/favicon.svg" alt="" width={24} height={24} />
          Helicline
        </p>
        <div className="tight">
          <h1>Sign in</h1>
          <p className="soft" role="status">
            {SENTENCE[why]}
          </p>
        </div>
        <PasswordInput
          label="Token"
          name="token"
          autoComplete="current-password"
          spellCheck={false}
          autoFocus
          value={token}
          onChange={(event) => setToken(event.currentTarget.value)}
          visibilityToggleButtonProps={{ 'aria-label': 'Show the token', tabIndex: 0 }}
        />
        {attempt.isError && <ProblemBox error={attempt.error} />}
        <div className="row">
          <Button type="submit" loading={attempt.isPending} disabled={!token.trim()}>
            Sign in
          </Button>
          {why === 'asked' && (
            <Button variant="subtle" color="gray" onClick={() => void loadSession()}>
              Go on without
            </Button>
          )}
        </div>
        <p className={css.help}>
          An administrator makes a token with <code>hl token create NAME --role viewer</code>. On the server's own
          machine, <code>owner.token</code> in the home folder holds the owner's.
        </p>
      </form>
    </main>
  );
}
