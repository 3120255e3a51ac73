import { useQuery } from '@tanstack/react-query';
import { useParams } from '@tanstack/react-router';
import * as ask from '../../api/queries';
import type { Run } from '../../api/types';
import { at } from '../../app/paths';
import { Asked } from '../../parts/Asked';
import { Code, Copy, Id } from '../../parts/Code';
import { bytes, moment, num } from '../../parts/format';
import { Go } from '../../parts/Go';
import { Facts, PageHead, Panel } from '../../parts/Panel';
import { State } from '../../parts/State';
import { Ago, Took } from '../../parts/Time';
import { MetricCharts } from './MetricCharts';
import css from './runs.module.css';

const LIVE_MS = 2000;

export default function RunPage() {
  const { id } = useParams({ from: '/runs/$id' });
  const run = useQuery({
    ...ask.run(id),
    refetchInterval: (query) => (query.state.data?.status === 'RUNNING' ? LIVE_MS : false),
  });
  return (
    <Asked of={run} lines={12}>
      {(found) => <Whole run={found} />}
    </Asked>
  );
}

function Whole({ run }: { run: Run }) {
  const tags = run.tags ?? {};
  const parent = tags['mlflow.parentRunId'];
  const pipeline = tags['helicline.pipeline_run'];
  const turn = tags['helicline.turn'];
  const shownTags = Object.entries(tags).filter(([key]) => key !== 'mlflow.runName');
  return (
    <>
      <PageHead
        kicker="Run"
        title={run.name || run.run_id}
        marks={<State state={run.status} />}
        sentence={
          <>
            Began <Ago at={run.start_time} />
            {run.user && ` by ${run.user}`}, {run.end_time ? 'took ' : 'running for '}
            <Took from={run.start_time} to={run.end_time} />
          </>
        }
        actions={
          <span className="row faint mono">
            {run.run_id} <Copy text={run.run_id} what="Copy the id" />
          </span>
        }
      />
      <div className="two">
        <div className="stack">
          <MetricCharts run={run} />
          <Artifacts runId={run.run_id} />
        </div>
        <div className="stack">
          <Panel title="About">
            <Facts
              of={[
                ['Experiment', <ExperimentName key="e" id={run.experiment_id} />],
                ['Began', moment(run.start_time)],
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
          <Pairs title="Parameters" pairs={Object.entries(run.params ?? {})} none="This run logged no parameter." />
          {run.inputs.length > 0 && <Inputs run={run} />}
          <Pairs title="Tags" pairs={shownTags} none="No tag." />
        </div>
      </div>
    </>
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

function Artifacts({ runId }: { runId: string }) {
  const found = useQuery(ask.artifacts(runId));
  const fetchIt = `import mlflow\nmlflow.artifacts.download_artifacts(run_id="${runId}")`;
  return (
    <Panel title="Artifacts">
      <Asked of={found} lines={2}>
        {(files) =>
          files.length === 0 ? (
            <p className="soft">This run kept no file.</p>
          ) : (
            <div className="stack">
              <Facts of={files.map((file) => [file.path, file.is_dir ? 'folder' : bytes(file.file_size ?? 0)])} />
              <Code text={fetchIt} label="How to fetch them" />
            </div>
          )
        }
      </Asked>
    </Panel>
  );
}
