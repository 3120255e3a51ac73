/** Messages at the edge of the page. What shows them is loaded with the first message, not with the first page. */
import type { NotificationData } from '@mantine/notifications';
import { useSyncExternalStore } from 'react';

const listeners = new Set<() => void>();
let hasMessages = false;

const load = () => import('@mantine/notifications');

export async function notify(message: NotificationData): Promise<void> {
  (await load()).notifications.show(message);
  hasMessages = true;
  for (const listener of listeners) listener();
}

export const dismiss = async (id: string): Promise<string | undefined> => (await load()).notifications.hide(id);

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Whether there was a message, so that something must show it. */
export const useHasMessages = (): boolean => useSyncExternalStore(subscribe, () => hasMessages);
