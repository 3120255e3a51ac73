import { Button } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useNavigate, useParams, useRouter, useSearch } from '@tanstack/react-router';
import { useMemo } from 'react';
import * as ask from '../../api/queries';
import type { Run } from '../../api/types';
import { at } from '../../app/paths';
import { Code, Copy, Id } from '../../parts/Code';
import { moment, num } from '../../parts/format';
import { Go } from '../../parts/Go';
import { PageOf } from '../../parts/PageOf';
import { Facts, PageHead, Panel } from '../../parts/Panel';
import { State } from '../../parts/State';
import { Ago, Took } from '../../parts/Time';
import { LineageMap } from '../models/LineageMap';
import { Artifacts } from './Artifacts';
import { Charts } from './Charts';
import { Note, Tags } from './Notes';
import css from './run.module.css';
import { type RunSearch, runSearch } from './search';

const LIVE_MS = 2000;

export default function RunPage() {
  const { id } = useParams({ from: '/runs/$id' });
  return <RunById id={id} kicker="Run" />;
}

export function RunById({ id, kicker }: { id: string; kicker: string }) {
  const run = useQuery({
    ...ask.run(id),
    refetchInterval: (query) => (query.state.data?.status === 'RUNNING' ? LIVE_MS : false),
  });
  return (
    <PageOf query={run} kind="Run" name={id}>
      {(found) => <Whole run={found} kicker={kicker} />}
    </PageOf>
  );
}

function Whole({ run, kicker }: { run: Run; kicker: string }) {
  const search = runSearch(useSearch({ strict: false }));
  const navigate = useNavigate();
  const change = (next: Partial<RunSearch>) =>
    void navigate({
      to: '.',
      search: (now: Record<string, unknown>) => ({ ...now, ...next }),
      replace: true,
      resetScroll: false,
    } as never);
  const runs = useMemo(() => [{ id: run.run_id, name: run.name }], [run.run_id, run.name]);
  return (
    <>
      <PageHead
        kicker={kicker}
        title={run.name || run.run_id}
        marks={
          <>
            <State state={run.status} />
            {run.lifecycle === 'deleted' && <State state="STOPPED" word="Archived" />}
          </>
        }
        sentence={
          <>
            Began <Ago at={run.start_time} />
            {run.user && ` by ${run.user}`}, {run.end_time ? 'took ' : 'running for '}
            <Took from={run.start_time} to={run.end_time} />
          </>
        }
        actions={
          <>
            <CompareWith run={run} />
            <span className="row faint mono">
              {run.run_id} <Copy text={run.run_id} what="Copy the id" />
            </span>
          </>
        }
      />
      <div className="two">
        <div className="stack">
          <Charts
            runs={runs}
            keys={run.metrics.map((point) => point.key)}
            live={run.status === 'RUNNING'}
            search={search}
            change={change}
          />
          <LineageMap noun="run" id={run.run_id} />
          <Artifacts runId={run.run_id} path={search.path} onPath={(path) => change({ path })} />
        </div>
        <div className="stack">
          <Note run={run} />
          <About run={run} />
          <Pairs title="Parameters" pairs={Object.entries(run.params ?? {})} none="This run logged no parameter." />
          {run.inputs.length > 0 && <Inputs run={run} />}
          <Tags run={run} />
          <Panel title="In Python">
            <Code
              text={`import mlflow\nmlflow.set_tracking_uri("${location.origin}")\nrun = mlflow.get_run("${run.run_id}")`}
              label="In Python"
            />
          </Panel>
        </div>
      </div>
    </>
  );
}

function CompareWith({ run }: { run: Run }) {
  const router = useRouter();
  const parent = run.tags?.['mlflow.parentRunId'];
  const before = useQuery({
    queryKey: ['runs', 'before', run.run_id],
    queryFn: async ({ signal }) =>
      (await ask.runsBefore(run, signal)).find((one) => one.run_id !== run.run_id)?.run_id ?? '',
    staleTime: 60_000,
    refetchInterval: false,
  });
  const to = (id: string) => router.history.push(at.compare([id, run.run_id]));
  return (
    <>
      {parent && (
        <Button size="compact-sm" variant="default" onClick={() => to(parent)}>
          Compare with its parent
        </Button>
      )}
      {before.data && (
        <Button size="compact-sm" variant="default" onClick={() => to(before.data)}>
          Compare with the one before
        </Button>
      )}
    </>
  );
}

function About({ run }: { run: Run }) {
  const tags = run.tags ?? {};
  const parent = tags['mlflow.parentRunId'];
  const pipeline = tags['helicline.pipeline_run'];
  const turn = tags['helicline.turn'];
  const commit = tags['mlflow.source.git.commit'];
  return (
    <Panel title="About">
      <Facts
        of={[
          ['Experiment', <ExperimentName key="e" id={run.experiment_id} />],
          ['Began', moment(run.start_time)],
          tags['mlflow.source.name'] && [
            'Source',
            <span key="s" className="mono">
              {tags['mlflow.source.name']}
            </span>,
          ],
          commit && [
            'Commit',
            <span key="c" className="mono">
              {commit.slice(0, 12)} <Copy text={commit} what="Copy the commit" />
            </span>,
          ],
          parent && [
            'Part of',
            <Go key="p" href={at.run(parent)}>
              <Id of={parent} />
            </Go>,
          ],
          pipeline && [
            'Pipeline run',
            <Go key="l" href={at.pipelineRun(pipeline)}>
              <Id of={pipeline} />
            </Go>,
          ],
          tags['helicline.step'] && ['Step', tags['helicline.step']],
          turn && [
            'Turn',
            <Go key="t" href={at.turn(turn)}>
              {turn}
            </Go>,
          ],
        ]}
      />
    </Panel>
  );
}

function ExperimentName({ id }: { id: string }) {
  const { data } = useQuery(ask.experiments());
  const name = data?.find((one) => one.experiment_id === id)?.name ?? id;
  return <Go href={`/runs?experiment=${encodeURIComponent(JSON.stringify(id))}`}>{name}</Go>;
}

function Pairs({ title, pairs, none }: { title: string; pairs: [string, string][]; none: string }) {
  return (
    <Panel title={title} aside={pairs.length > 0 && <span className="faint">{pairs.length}</span>} flush>
      {pairs.length === 0 ? (
        <p className="soft" style={{ padding: 14 }}>
          {none}
        </p>
      ) : (
        <dl className={css.pairs} tabIndex={0} aria-label={title}>
          {pairs
            .toSorted(([a], [b]) => a.localeCompare(b))
            .map(([key, value]) => (
              <div key={key}>
                <dt>{key}</dt>
                <dd className="mono">{value}</dd>
              </div>
            ))}
        </dl>
      )}
    </Panel>
  );
}

function Inputs({ run }: { run: Run }) {
  return (
    <Panel title="Inputs">
      <div className="stack">
        {run.inputs.map((input) => (
          <Facts
            key={input.name + input.digest}
            of={[
              ['Dataset', input.name],
              ['Digest', <Id key="d" of={input.digest} />],
              ['Rows', rowsOf(input.profile)],
              input.tags?.['mlflow.data.context'] && ['Used for', input.tags['mlflow.data.context']],
            ]}
          />
        ))}
      </div>
    </Panel>
  );
}

function rowsOf(profile: string): string {
  try {
    const found = JSON.parse(profile) as { num_rows?: number };
    return num(found.num_rows);
  } catch {
    return '–';
  }
}
