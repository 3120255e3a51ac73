/** Which run the pointer is on: every chart and table on the page shows that one strongly. */
import { useSyncExternalStore } from 'react';

let current: string | null = null;
const watchers = new Set<() => void>();

export function highlight(run: string | null): void {
  if (run === current) return;
  current = run;
  for (const watcher of watchers) watcher();
}

export function onHighlight(watcher: () => void): () => void {
  watchers.add(watcher);
  return () => watchers.delete(watcher);
}

export const highlighted = (): string | null => current;
export const useHighlight = (): string | null => useSyncExternalStore(onHighlight, highlighted);
