/** The rows of the runs table by place: only the pages on screen are asked for, wherever one scrolls to. */
import { keepPreviousData, type UseQueryResult, useQueries, useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useRef } from 'react';
import { get } from '../../api/client';
import type { Marks, Page, RunKey, RunRow } from '../../api/types';

export const PAGE = 200;
const MARKS_MS = 15_000;

export interface Wanted {
  experiment?: string;
  filter?: string;
  order_by: string;
  view: string;
}

/** A row with the columns that its values stand for: rows of an earlier question stay until the next are there. */
export type ShownRow = RunRow & { columns: string[] };

export interface Runs {
  total: number | undefined;
  error: unknown;
  pending: boolean;
  rowAt: (index: number) => ShownRow | undefined;
}

export function useKeys(wanted: Omit<Wanted, 'order_by'>): UseQueryResult<RunKey[]> {
  const { experiment, filter, view } = wanted;
  return useQuery({
    queryKey: ['run-keys', experiment, filter, view],
    queryFn: async ({ signal }) => (await get<Page<RunKey>>('/runs/keys', { experiment, filter, view }, signal)).items,
    placeholderData: keepPreviousData,
    refetchInterval: MARKS_MS,
  });
}

/** `first` and `last` are the rows on screen; `columns` the ids in the order of the rows' values. */
export function useRuns(wanted: Wanted, columns: string[], first: number, last: number): Runs {
  const client = useQueryClient();
  const query = { ...wanted };
  const marks = useQuery({
    queryKey: ['run-marks', query],
    queryFn: ({ signal }) => get<Marks>('/runs/marks', { ...query, every: PAGE }, signal),
    placeholderData: keepPreviousData,
    refetchInterval: MARKS_MS,
  });
  // the marks of an earlier order lead nowhere in this one
  const known = marks.isPlaceholderData ? [] : (marks.data?.marks ?? []);
  const from = Math.floor(Math.max(0, first) / PAGE);
  const to = Math.min(Math.floor(Math.max(0, last) / PAGE), Math.max(0, known.length - 1));
  const places = Array.from({ length: to - from + 1 }, (_, at) => from + at);
  const pages = useQueries({
    queries: places.map((place) => ({
      // the first page needs no mark, so it comes at once and shows what is new
      queryKey: ['runs', 'rows', query, columns, place, place ? known[place] : ''],
      queryFn: async ({ signal }: { signal: AbortSignal }): Promise<Page<ShownRow>> => {
        const asked = { ...query, column: columns, after: place ? known[place] : '', limit: PAGE };
        const page = await get<Page<RunRow>>('/runs/table', asked, signal);
        return { ...page, items: page.items.map((row) => ({ ...row, columns })) };
      },
      enabled: place === 0 || known[place] !== undefined,
      gcTime: 30_000,
    })),
  });
  const head = from === 0 ? pages[0]?.data : undefined;
  const newest = head?.items[0]?.run_id;
  const seen = useRef(newest);
  useEffect(() => {
    if (seen.current && newest && seen.current !== newest) void client.invalidateQueries({ queryKey: ['run-marks'] });
    seen.current = newest;
  }, [newest, client]);
  const loaded = new Map(places.map((place, at) => [place, pages[at]?.data?.items]));
  const failed = pages.find((one) => one.isError);
  const before = useRef(loaded);
  const whole = [...loaded.values()].every((rows) => rows !== undefined);
  useEffect(() => {
    if (whole) before.current = loaded;
  });
  const rowsOf = (place: number) => loaded.get(place) ?? (whole ? undefined : before.current.get(place));
  return {
    // a first page without a next one is all there is, and is fresher than the marks
    total: head && !head.next ? head.items.length : marks.data?.total,
    error: failed?.error ?? marks.error,
    pending: !rowsOf(from) && (from === 0 ? !failed : marks.isPending),
    rowAt: (index) => rowsOf(Math.floor(index / PAGE))?.[index % PAGE],
  };
}
