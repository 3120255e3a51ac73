import { NativeSelect, Switch, TextInput } from '@mantine/core';
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { useEffect, useMemo, useState } from 'react';
import { get } from '../../api/client';
import { pollInterval } from '../../api/live';
import * as ask from '../../api/queries';
import type { Page, Run } from '../../api/types';
import { Empty, ProblemBox, Waiting } from '../../parts/Asked';
import { Icon } from '../../parts/Icon';
import { PageHead } from '../../parts/Panel';
import { ColumnPicker } from './ColumnPicker';
import { chosen, columnsOf, nextOrder, varying } from './columns';
import { RunGrid } from './RunGrid';
import css from './runs.module.css';
import { DEFAULT_ORDER, type RunsSearch } from './search';

const PAGE = 200;
const FIRST = `import mlflow
mlflow.set_tracking_uri("${location.origin}")
with mlflow.start_run(): mlflow.log_metric("loss", 0.3, step=1)`;

export default function RunsPage() {
  const search = useSearch({ from: '/runs' });
  const navigate = useNavigate({ from: '/runs' });
  const change = (next: Partial<RunsSearch>) => navigate({ search: (now) => ({ ...now, ...next }), replace: true });
  const order = search.order ?? DEFAULT_ORDER;
  const found = useInfiniteQuery({
    queryKey: ['runs', 'table', search.experiment, search.filter, order],
    queryFn: ({ pageParam, signal }) =>
      get<Page<Run>>(
        '/runs',
        { experiment: search.experiment, filter: search.filter, order_by: order, limit: PAGE, after: pageParam },
        signal,
      ),
    initialPageParam: '',
    getNextPageParam: (last) => last.next || undefined,
    refetchInterval: pollInterval,
    placeholderData: (before) => before,
  });
  const runs = useMemo(() => found.data?.pages.flatMap((page) => page.items) ?? [], [found.data]);
  const all = useMemo(() => columnsOf(runs), [runs]);
  const picked = useMemo(() => chosen(all, search.columns), [all, search.columns]);
  const shown = useMemo(
    () => (search.varying ? varying(search.columns === undefined ? all : picked, runs) : picked),
    [search, all, picked, runs],
  );
  return (
    <>
      <PageHead title="Runs" sentence="Every run that any client logged, with its latest metrics." />
      <div className={css.tools}>
        <Filter value={search.filter ?? ''} onSet={(filter) => change({ filter: filter || undefined })} />
        <ExperimentSelect value={search.experiment ?? ''} onSet={(experiment) => change({ experiment })} />
        <Switch
          size="xs"
          label="Varying only"
          checked={search.varying ?? false}
          onChange={(event) => change({ varying: event.currentTarget.checked || undefined })}
        />
        <ColumnPicker all={all} shown={picked} onSet={(columns) => change({ columns })} />
      </div>
      {found.isError && <ProblemBox error={found.error} />}
      {found.isPending && <Waiting lines={12} />}
      {found.data && runs.length === 0 && !search.filter && <Empty title="No run yet" code={FIRST} />}
      {found.data && runs.length === 0 && search.filter && <Empty title="No run matches the filter" />}
      {runs.length > 0 && (
        <RunGrid
          runs={runs}
          columns={shown}
          order={order}
          more={found.hasNextPage}
          onOrder={(key) => change({ order: nextOrder(order, key) })}
          onEnd={() => found.hasNextPage && !found.isFetchingNextPage && found.fetchNextPage()}
        />
      )}
    </>
  );
}

function Filter({ value, onSet }: { value: string; onSet: (filter: string) => void }) {
  const [text, setText] = useState(value);
  useEffect(() => setText(value), [value]);
  return (
    <form
      className={css.filter}
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        onSet(text.trim());
      }}
    >
      <TextInput
        size="xs"
        data-filter=""
        aria-label="Filter"
        className="mono"
        placeholder={"metrics.accuracy > 0.9 and params.c = '0.1'"}
        leftSection={<Icon name="search" size={13} />}
        rightSection={<kbd>/</kbd>}
        value={text}
        onChange={(event) => setText(event.currentTarget.value)}
        onBlur={() => text.trim() !== value && onSet(text.trim())}
      />
    </form>
  );
}

function ExperimentSelect({ value, onSet }: { value: string; onSet: (id: string | undefined) => void }) {
  const { data: experiments = [] } = useQuery(ask.experiments());
  return (
    <NativeSelect
      size="xs"
      aria-label="Experiment"
      value={value}
      onChange={(event) => onSet(event.currentTarget.value || undefined)}
      data={[
        { value: '', label: 'All experiments' },
        ...experiments.map((one) => ({ value: one.experiment_id, label: one.name })),
      ]}
    />
  );
}
