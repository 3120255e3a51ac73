/** One stream of changes per tab; while it is down, everything shown is asked for again every five seconds. */
import type { QueryClient } from '@tanstack/react-query';
import { useSyncExternalStore } from 'react';
import { recordAnswer } from './answering';

/** Which kinds of queries a change of a noun makes stale. */
const STALE: Record<string, string[]> = {
  alert: ['alerts', 'monitors', 'status', 'loops'],
  alias: ['models', 'status'],
  attempt: ['pipeline-runs'],
  contract: ['datasets'],
  dataset: ['datasets', 'status'],
  dataset_ref: ['datasets', 'status'],
  dataset_version: ['datasets', 'status'],
  deployment: ['deployments', 'models', 'status'],
  experiment: ['experiments', 'runs', 'run-marks'],
  gate: ['models', 'requests', 'status', 'turns'],
  loop: ['loops', 'monitors', 'deployments', 'status', 'uses'],
  model_version: ['models', 'status'],
  pipeline_run: ['pipeline-runs', 'status', 'turns', 'uses'],
  promotion_request: ['requests', 'models', 'turns', 'status'],
  registered_model: ['models', 'status'],
  revision: ['deployments', 'status'],
  rollout: ['deployments', 'status', 'turns', 'models'],
  routing: ['deployments'],
  run: ['runs', 'series', 'artifacts'],
  step_run: ['pipeline-runs'],
  trigger: ['loops'],
  turn: ['turns', 'loops', 'models', 'status'],
};

export function staleAfter(noun: string): string[] {
  return STALE[noun] ?? ['status'];
}

const GATHER_MS = 250;
const POLL_MS = 5000;

let open = false;
let wasOpen = false;
const watchers = new Set<() => void>();

function tell(now: boolean): void {
  open = now;
  for (const watcher of watchers) watcher();
}

export function useLive(): boolean {
  return useSyncExternalStore(
    (watcher) => {
      watchers.add(watcher);
      return () => watchers.delete(watcher);
    },
    () => open,
  );
}

/** How often a query asks again on its own: only while the stream is down. */
export const pollInterval = (): number | false => (open ? false : POLL_MS);

/** Listen to the stream until the function that is returned is called. */
export function listen(client: QueryClient): () => void {
  let waiting = new Set<string>();
  let _timer: ReturnType<typeof setTimeout> | undefined;
  let again: ReturnType<typeof setTimeout> | undefined;
  let source: EventSource;
  const flush = () => {
    _timer = undefined;
    const roots = waiting;
    waiting = new Set();
    void client.invalidateQueries({ predicate: (query) => roots.has(String(query.queryKey[0])) });
  };
  const connect = () => {
    source = new EventSource('/api/v1/stream');
    source.onopen = () => {
      recordAnswer(true);
      if (wasOpen) void client.invalidateQueries(); // changes may have passed while we were away
      wasOpen = true;
      tell(true);
    };
    source.onmessage = (message) => {
      const event = JSON.parse(message.data as string) as { noun: string };
      for (const root of [...staleAfter(event.noun), 'events']) waiting.add(root);
      _timer ??= setTimeout(flush, GATHER_MS);
    };
    source.onerror = () => {
      tell(false);
      if (source.readyState !== EventSource.CLOSED) return;
      again = setTimeout(connect, POLL_MS);
      // the server refused: a caller whom it does not know any more is led to the sign-in
      void client.invalidateQueries({ queryKey: ['status'] });
    };
  };
  connect();
  return () => {
    clearTimeout(again);
    clearTimeout(_timer);
    source.close();
    tell(false);
  };
}
