import { useSyncExternalStore } from 'react';
import { ago, between, moment, seconds } from './format';

let now = Date.now();
const watchers = new Set<() => void>();
let timer: ReturnType<typeof setInterval> | undefined;

function watch(watcher: () => void): () => void {
  watchers.add(watcher);
  timer ??= setInterval(() => {
    now = Date.now();
    for (const one of watchers) one();
  }, 1000);
  return () => {
    watchers.delete(watcher);
    if (!watchers.size) {
      clearInterval(timer);
      timer = undefined;
    }
  };
}

/** The time, told once a second to everybody who shows it. */
export function useNow(): number {
  return useSyncExternalStore(watch, () => now);
}

export function Ago({ at }: { at: string }) {
  return (
    <time dateTime={at} title={moment(at)} className="nowrap">
      {ago(at, useNow())}
    </time>
  );
}

export function Took({ from, to }: { from: string; to: string | null | undefined }) {
  return to ? seconds(between(from, to)) : <Running from={from} />;
}

function Running({ from }: { from: string }) {
  return <>{seconds(Math.max(0, between(from, null, useNow())))}</>;
}
