import '@mantine/core/styles/InlineInput.css';
import '@mantine/core/styles/Switch.css';
import { Switch } from '@mantine/core';
import { useQueries } from '@tanstack/react-query';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { useMemo } from 'react';
import * as ask from '../../api/queries';
import type { Run } from '../../api/types';
import { Empty, ProblemBox, Waiting } from '../../parts/Asked';
import { counted } from '../../parts/format';
import { PageHead, Panel } from '../../parts/Panel';
import { Charts } from '../run/Charts';
import type { CompareSearch } from '../run/search';
import { DiffTable } from './DiffTable';
import { axesOf, rowsOf } from './differ';
import { CodeDiff, FilesDiff } from './FilesDiff';
import { Parallel } from './Parallel';

const MOST = 40;
const LIVE_MS = 2000;

export default function ComparePage() {
  const search = useSearch({ from: '/runs/compare' });
  const asked = [...new Set((search.ids ?? '').split(',').filter(Boolean))];
  const ids = asked.slice(0, MOST);
  const found = useQueries({
    queries: ids.map((id) => ({
      ...ask.run(id),
      refetchInterval: (query: { state: { data?: Run } }) => (query.state.data?.status === 'RUNNING' ? LIVE_MS : false),
    })),
  });
  const failed = found.find((one) => one.isError);
  const runs = found.flatMap((one) => (one.data ? [one.data] : []));
  const sentence = asked.length > MOST ? `The first ${MOST} of ${asked.length} runs` : counted(ids.length, 'run');
  return (
    <>
      <PageHead title="Compare" sentence={ids.length ? `${sentence}; what differs comes first.` : undefined} />
      {ids.length === 0 && <Empty title="No run chosen">Select runs in the table of runs with x, then press c.</Empty>}
      {failed && <ProblemBox error={failed.error} />}
      {!failed && runs.length < ids.length && <Waiting lines={12} />}
      {runs.length > 0 && runs.length === ids.length && <Compared runs={runs} search={search} />}
    </>
  );
}

function Compared({ runs, search }: { runs: Run[]; search: CompareSearch }) {
  const navigate = useNavigate({ from: '/runs/compare' });
  const change = (next: Partial<CompareSearch>) =>
    void navigate({ search: (now) => ({ ...now, ...next }), replace: true, resetScroll: false });
  const rows = useMemo(() => rowsOf(runs), [runs]);
  const axes = useMemo(() => axesOf(rows), [rows]);
  const shape = runs.map((run) => `${run.run_id} ${run.name}`).join('\n');
  // biome-ignore lint/correctness/useExhaustiveDependencies: the same runs are the same list, however often they are read
  const charted = useMemo(() => runs.map((run) => ({ id: run.run_id, name: run.name })), [shape]);
  const keys = useMemo(() => [...new Set(runs.flatMap((run) => run.metrics.map((point) => point.key)))], [runs]);
  const same = rows.filter((row) => !row.differs).length;
  const [before, after] = runs;
  const drop = (id: string) =>
    change({
      ids: runs
        .map((run) => run.run_id)
        .filter((one) => one !== id)
        .join(','),
    });
  return (
    <div className="stack">
      <div className="row apart">
        <p className="soft">
          {counted(rows.length - same, 'row')} differ, {counted(same, 'row')} the same
        </p>
        <Switch
          size="xs"
          label="Show what is the same"
          checked={search.same ?? false}
          onChange={(event) => change({ same: event.currentTarget.checked || undefined })}
        />
      </div>
      <DiffTable runs={runs} rows={rows} same={search.same ?? false} onDrop={drop} />
      {runs.length > 1 && axes.length > 1 && (
        <Panel
          title="Parallel coordinates"
          aside={<span className="faint">drag along an axis to keep what is inside</span>}
          flush
        >
          <Parallel axes={axes} runs={charted} />
        </Panel>
      )}
      <Charts
        runs={charted}
        keys={keys}
        live={runs.some((run) => run.status === 'RUNNING')}
        search={search}
        change={change}
      />
      {before && after && (
        <div className="halves">
          <CodeDiff before={before} after={after} />
          <FilesDiff before={before} after={after} path={search.path} onPath={(path) => change({ path })} />
        </div>
      )}
      {runs.length > 2 && (
        <p className="faint">Code and files are those of the first two runs; leave one out to see another.</p>
      )}
    </div>
  );
}
