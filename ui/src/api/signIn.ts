/** Opening and ending a session. */
import { get, Problem, post, remove } from './client';
import { type Out, setSession } from './session';
import type { SessionView } from './types';

/** Ask the server who the caller is; where it does not answer, the page is shown and says so. */
export async function loadSession(whyOut: Out = 'none'): Promise<void> {
  try {
    setSession({ state: 'in', who: await get<SessionView>('/session') });
  } catch (error) {
    const isUnknown = error instanceof Problem && error.status === 401;
    setSession(isUnknown ? { state: 'out', why: whyOut } : { state: 'in' });
  }
}

export async function signIn(token: string): Promise<void> {
  setSession({ state: 'in', who: await post<SessionView>('/session', { token }) });
}

export async function signOut(): Promise<void> {
  await remove('/session');
  await loadSession('left');
}
