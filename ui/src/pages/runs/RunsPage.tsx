import '@mantine/core/styles/InlineInput.css';
import '@mantine/core/styles/Switch.css';
import '@mantine/core/styles/FloatingIndicator.css';
import '@mantine/core/styles/SegmentedControl.css';
import { Button, NativeSelect, SegmentedControl, Switch } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useNavigate, useRouter, useSearch } from '@tanstack/react-router';
import { useCallback, useEffect, useMemo, useRef, useState } from 'react';
import * as ask from '../../api/queries';
import { at } from '../../app/paths';
import { Empty, ProblemBox, Waiting } from '../../parts/Asked';
import { counted } from '../../parts/format';
import { Icon } from '../../parts/Icon';
import { PageHead } from '../../parts/Panel';
import { ColumnPicker } from './ColumnPicker';
import { chosen, columnsOf, nextOrder, orderKey, pinnedFirst, type RunColumn, varying } from './columns';
import { FilterBox } from './FilterBox';
import { GroupTable } from './GroupTable';
import { RunGrid, type Selection } from './RunGrid';
import css from './runs.module.css';
import { SelectionBar } from './SelectionBar';
import { DEFAULT_ORDER, joined, MOST_SELECTED, narrowed, parted, type RunsSearch } from './search';
import { useLayout } from './useLayout';
import { useKeys, useRuns } from './useRuns';
import { Views } from './Views';

const FIRST = `import mlflow
mlflow.set_tracking_uri("${location.origin}")
with mlflow.start_run(): mlflow.log_metric("loss", 0.3, step=1)`;

export default function RunsPage() {
  const search = useSearch({ from: '/runs' });
  const navigate = useNavigate({ from: '/runs' });
  const change = useCallback(
    (next: Partial<RunsSearch>) => navigate({ search: (now) => ({ ...now, ...next }), replace: true }),
    [navigate],
  );
  const order = search.order ?? DEFAULT_ORDER;
  const view = search.view ?? 'active';
  const asked = { experiment: search.experiment, filter: search.filter, view };
  const keys = useKeys(asked);
  const all = useMemo(() => columnsOf(keys.data ?? []), [keys.data]);
  const layout = useLayout(search, change);
  const picked = useMemo(() => chosen(all, layout.columns), [all, layout.columns]);
  const shown = useMemo(
    () => pinnedFirst(search.varying ? varying(all, layout.columns) : picked, layout.pinned, all),
    [search.varying, all, picked, layout],
  );
  return (
    <>
      <PageHead
        title="Runs"
        sentence="Every run that any client logged, with its latest metrics."
        actions={<FollowLatest search={search} />}
      />
      <div className={css.tools}>
        <FilterBox
          value={search.filter ?? ''}
          columns={all}
          wrong={keys.isError}
          onSet={(filter) => change({ filter: filter || undefined, sel: undefined })}
        />
        <ExperimentSelect
          value={search.experiment ?? ''}
          onSet={(experiment) => change({ experiment, sel: undefined })}
        />
        <GroupSelect value={search.group ?? ''} all={all} onSet={(group) => change({ group })} />
        <SegmentedControl
          size="xs"
          aria-label="Which runs"
          value={view}
          onChange={(to) => change({ view: to === 'archived' ? 'archived' : undefined, sel: undefined })}
          data={[
            { value: 'active', label: 'Active' },
            { value: 'archived', label: 'Archived' },
          ]}
        />
        <Switch
          size="xs"
          label="Varying only"
          title="Columns in which the newest 500 matching runs differ"
          checked={search.varying ?? false}
          onChange={(event) => change({ varying: event.currentTarget.checked || undefined })}
        />
        <ColumnPicker
          all={all}
          shown={picked}
          pinned={layout.pinned}
          onSet={layout.setColumns}
          onPin={layout.setPinned}
        />
        <Views search={search} onOpen={(to) => navigate({ search: () => to })} />
      </div>
      {search.group && !keys.isError ? (
        <GroupTable
          by={search.group}
          clauseKey={clauseKey(search.group, all)}
          asked={asked}
          ready={keys.data !== undefined}
          metrics={shown.filter((one) => one.kind === 'metrics').slice(0, 8)}
          onOpen={(clause) => change({ group: undefined, filter: narrowed(search.filter, clause) })}
        />
      ) : (
        <Rows
          search={search}
          change={change}
          wanted={{ ...asked, order_by: order }}
          columns={shown}
          pinned={layout.pinned}
        />
      )}
    </>
  );
}

interface RowsProps {
  search: RunsSearch;
  change: (next: Partial<RunsSearch>) => void;
  wanted: { experiment?: string; filter?: string; view: string; order_by: string };
  columns: RunColumn[];
  pinned: string[];
}

function Rows({ search, change, wanted, columns, pinned }: RowsProps) {
  const [seen, setSeen] = useState<[number, number]>([0, 0]);
  // sorted, so that another order of the same columns is not another question
  const ids = useMemo(() => columns.map((one) => one.id).sort(), [columns]);
  const runs = useRuns(wanted, ids, seen[0], seen[1]);
  const router = useRouter();
  const selection = useSelection(search, change, runs.rowAt, seen);
  const selected = parted(search.sel);
  const compare = useCallback(() => router.history.push(at.compare(parted(search.sel))), [router, search.sel]);
  const onSeen = useCallback((first: number, last: number) => setSeen([first, last]), []);
  if (runs.error) return <ProblemBox error={runs.error} />;
  if (runs.pending || runs.total === undefined) return <Waiting lines={12} />;
  if (runs.total === 0) {
    if (search.filter) return <Empty title="No run matches the filter" />;
    if (search.view) return <Empty title="No run is archived" />;
    return <Empty title="No run yet" code={FIRST} />;
  }
  return (
    <>
      {selected.length > 0 && (
        <SelectionBar
          ids={selected}
          archived={search.view === 'archived'}
          onCompare={compare}
          onNone={selection.none}
        />
      )}
      <RunGrid
        total={runs.total}
        rowAt={runs.rowAt}
        columns={columns}
        pinned={pinned}
        order={wanted.order_by}
        selection={selection}
        onOrder={(key) => change({ order: nextOrder(wanted.order_by, key) })}
        onSeen={onSeen}
      />
      <p className={css.foot}>{counted(runs.total, 'run')}</p>
    </>
  );
}

type RowAt = ReturnType<typeof useRuns>['rowAt'];

/** The selected runs, which the address names too; a press with Shift selects all from the last one on. */
function useSelection(
  search: RunsSearch,
  change: (next: Partial<RunsSearch>) => void,
  rowAt: RowAt,
  seen: [number, number],
): Selection {
  const anchor = useRef(-1);
  const ids = parted(search.sel);
  // the address follows a moment after a key press, and the next press must not undo the last one
  const latest = useRef(ids);
  useEffect(() => {
    latest.current = parted(search.sel);
  }, [search.sel]);
  const set = (next: Iterable<string>) => {
    const some = [...next].slice(0, MOST_SELECTED);
    latest.current = some;
    change({ sel: some.length ? joined(some) : undefined });
  };
  const idsBetween = (from: number, to: number) =>
    Array.from({ length: to - from + 1 }, (_, step) => rowAt(from + step)?.run_id).filter((id) => id !== undefined);
  const none = useCallback(() => change({ sel: undefined }), [change]);
  return {
    has: (id) => ids.includes(id),
    count: ids.length,
    toggle: (id, index, range) => {
      const next = new Set(latest.current);
      if (range && anchor.current >= 0) {
        for (const one of idsBetween(Math.min(anchor.current, index), Math.max(anchor.current, index))) next.add(one);
      } else if (!next.delete(id)) next.add(id);
      anchor.current = index;
      set(next);
    },
    all: () => set(idsBetween(Math.floor(seen[0] / 200) * 200, seen[1])),
    none,
  };
}

function FollowLatest({ search }: { search: RunsSearch }) {
  const router = useRouter();
  const address = at.latest(search.experiment, search.filter);
  return (
    <Button
      size="compact-sm"
      variant="default"
      leftSection={<Icon name="arrow" />}
      onClick={() => router.history.push(address)}
    >
      Follow the latest
    </Button>
  );
}

function clauseKey(by: string, all: RunColumn[]): string {
  const column = all.find((one) => one.id === by);
  return column ? orderKey(column) : by;
}

function ExperimentSelect({ value, onSet }: { value: string; onSet: (id: string | undefined) => void }) {
  const { data: experiments = [] } = useQuery(ask.experiments());
  return (
    <NativeSelect
      size="xs"
      aria-label="Experiment"
      w={150}
      value={value}
      onChange={(event) => onSet(event.currentTarget.value || undefined)}
      data={[
        { value: '', label: 'All experiments' },
        ...experiments.map((one) => ({ value: one.experiment_id, label: one.name })),
      ]}
    />
  );
}

const MOST_GROUPS = 150;

function GroupSelect({
  value,
  all,
  onSet,
}: {
  value: string;
  all: RunColumn[];
  onSet: (by: string | undefined) => void;
}) {
  const keys = all.filter((one) => one.kind !== 'metrics' && (one.seen > 0 || one.id === value)).slice(0, MOST_GROUPS);
  return (
    <NativeSelect
      size="xs"
      aria-label="Group by"
      w={150}
      value={value}
      onChange={(event) => onSet(event.currentTarget.value || undefined)}
      data={[
        { value: '', label: 'No groups' },
        { value: 'attributes.status', label: 'By state' },
        { value: 'attributes.user_id', label: 'By user' },
        ...keys.map((one) => ({ value: one.id, label: `By ${one.id}` })),
      ]}
    />
  );
}
