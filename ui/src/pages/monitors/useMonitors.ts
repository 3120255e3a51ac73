import { useQuery, useQueryClient } from '@tanstack/react-query';
import { get } from '../../api/client';
import type { MonitorDetail, Page } from '../../api/types';
import { merged } from './heat';

const TAIL = 8;
const LIVE_MS = 2500;

const ask = async (windows: number, signal: AbortSignal) =>
  (await get<Page<MonitorDetail>>('/monitors', { windows }, signal)).items;

/** Monitors with their newest windows: the history is asked for once, then only what came since is added to it. */
export function useMonitors(windows: number) {
  const client = useQueryClient();
  const key = ['monitor-history', windows];
  const history = useQuery({
    queryKey: key,
    queryFn: ({ signal }) => ask(windows, signal),
    refetchInterval: false,
    staleTime: 15_000, // a tab that slept longer than the tail reaches asks for all of it again
  });
  useQuery({
    queryKey: ['monitors', 'tail', windows],
    queryFn: async ({ signal }) => {
      const tail = await ask(TAIL, signal);
      client.setQueryData<MonitorDetail[]>(key, (before) => before && merged(before, tail, windows));
      return tail.length;
    },
    refetchInterval: LIVE_MS,
    enabled: history.isSuccess,
  });
  return history;
}
