/** Whether the server answers, as the newest request showed. */
import { useSyncExternalStore } from 'react';

export interface Answering {
  answers: boolean;
  /** When the server answered last, in milliseconds since 1970. */
  at: number;
}

let state: Answering = { answers: true, at: Date.now() };
const listeners = new Set<() => void>();

export function recordAnswer(answers: boolean): void {
  const changed = state.answers !== answers;
  if (answers) state = changed ? { answers, at: Date.now() } : Object.assign(state, { at: Date.now() });
  else if (changed) state = { answers, at: state.at };
  if (changed) for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export const useAnswering = (): Answering => useSyncExternalStore(subscribe, () => state);
