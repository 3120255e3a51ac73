import { useQuery } from '@tanstack/react-query';
import { get } from '../../api/client';
import * as ask from '../../api/queries';
import type { MonitorDetail, Page } from '../../api/types';
import { merged } from './heat';

const TAIL = 8;
const LIVE_MS = 2500;

/** Monitors with their newest windows: the history is asked for once, then only what came since. */
export function useMonitors(windows: number) {
  const history = useQuery({
    queryKey: ['monitor-history', windows],
    queryFn: async ({ signal }) => (await get<Page<MonitorDetail>>('/monitors', { windows }, signal)).items,
    refetchInterval: false,
    staleTime: 60_000,
  });
  const tail = useQuery({
    ...ask.monitors('', TAIL),
    refetchInterval: LIVE_MS,
    enabled: history.isSuccess,
    structuralSharing: false,
  });
  // a history kept from an earlier visit has a gap before the tail; then ask for all of it again
  const found = history.data && tail.data ? merged(history.data, tail.data, windows) : history.data;
  return { ...history, data: found } as typeof history;
}
