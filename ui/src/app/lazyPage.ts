import { lazyRouteComponent } from '@tanstack/react-router';
import type { ComponentType } from 'react';
import { recordAnswer } from '../api/answering';

const RETRY_MS = 2000;
const pause = () => new Promise((resolve) => setTimeout(resolve, RETRY_MS));

async function serverAnswers(): Promise<boolean> {
  try {
    await fetch('/favicon.svg', { method: 'HEAD', cache: 'no-store' });
    recordAnswer(true);
    return true;
  } catch {
    recordAnswer(false);
    return false;
  }
}

/** The module of a page; without a server it waits for one, so that a click never leaves the application. */
export async function loadWhenReachable<M>(load: () => Promise<M>): Promise<M> {
  try {
    return await load();
  } catch {
    while (!(await serverAnswers())) await pause();
    return load(); // fails once more where another version is installed; the router then loads the application anew
  }
}

/** A page that is loaded when it is first opened. Its type is not read here: pages read the types of the router. */
export const lazyPage = (load: () => Promise<{ default: unknown }>) =>
  lazyRouteComponent(() => loadWhenReachable(load as () => Promise<{ default: ComponentType }>));
