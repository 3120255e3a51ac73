/** The columns of the runs table: the address says which, and this browser remembers them for each experiment. */
import { useEffect, useMemo, useRef } from 'react';
import { joined, parted, type RunsSearch } from './search';

interface Layout {
  columns: string[] | undefined;
  pinned: string[];
  setColumns: (columns: string[] | undefined) => void;
  setPinned: (pinned: string[]) => void;
}

const keyOf = (experiment: string | undefined) => `helicline.runs.layout.${experiment ?? ''}`;

function remembered(experiment: string | undefined): Pick<RunsSearch, 'columns' | 'pinned'> {
  try {
    return JSON.parse(localStorage.getItem(keyOf(experiment)) ?? '{}') as Pick<RunsSearch, 'columns' | 'pinned'>;
  } catch {
    return {};
  }
}

export function useLayout(search: RunsSearch, change: (next: Partial<RunsSearch>) => void): Layout {
  const { experiment, columns, pinned } = search;
  const asked = useRef<string | null>(null);
  useEffect(() => {
    // once an experiment: an address without columns takes those that were left here
    const key = keyOf(experiment);
    if (asked.current === key) return;
    asked.current = key;
    const kept = remembered(experiment);
    if (columns === undefined && pinned === undefined && (kept.columns !== undefined || kept.pinned)) change(kept);
  }, [experiment, columns, pinned, change]);
  return useMemo(() => {
    const keep = (next: Pick<RunsSearch, 'columns' | 'pinned'>) => {
      localStorage.setItem(keyOf(experiment), JSON.stringify(next));
      change(next);
    };
    return {
      columns: columns === undefined ? undefined : parted(columns),
      pinned: parted(pinned),
      setColumns: (next) => keep({ columns: next && joined(next), pinned }),
      setPinned: (next) => keep({ columns, pinned: next.length ? joined(next) : undefined }),
    };
  }, [experiment, columns, pinned, change]);
}
