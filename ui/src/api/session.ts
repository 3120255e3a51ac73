/** Who is signed in. Without a session the sign-in stands in place of the page, so that its address stays. */
import { useSyncExternalStore } from 'react';
import type { SessionView } from './types';

/** Why there is no session: none was opened here, it has ended, it was left, or a person asked to sign in. */
export type Out = 'none' | 'ended' | 'left' | 'asked';
export type Session =
  | { state: 'loading' }
  | { state: 'in'; who?: SessionView } // without `who` the server did not answer; the page says so
  | { state: 'out'; why: Out };

let session: Session = { state: 'loading' };
const listeners = new Set<() => void>();

export function setSession(next: Session): void {
  session = next;
  for (const listener of listeners) listener();
}

export const getSession = (): Session => session;

/** The server has answered that it does not know the caller. */
export function recordUnknownCaller(): void {
  if (session.state !== 'out')
    setSession({ state: 'out', why: session.state === 'in' && session.who ? 'ended' : 'none' });
}

/** What a change by cookie must send, so that another site's page cannot make it. */
export function csrfHeaders(): Record<string, string> {
  const csrf = session.state === 'in' ? session.who?.csrf : '';
  return csrf ? { 'x-csrf-token': csrf } : {};
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export const useSession = (): Session => useSyncExternalStore(subscribe, getSession);

/** Who is signed in, or undefined until the server has said it. */
export function useWho(): SessionView | undefined {
  const current = useSession();
  return current.state === 'in' ? current.who : undefined;
}
