import { Button } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useParams } from '@tanstack/react-router';
import { useState } from 'react';
import { seg } from '../../api/client';
import * as ask from '../../api/queries';
import type { PipelineRunDetail } from '../../api/types';
import { at } from '../../app/paths';
import { useAct } from '../../parts/act';
import { Code } from '../../parts/Code';
import { Go } from '../../parts/Go';
import { Long } from '../../parts/Long';
import { PageOf } from '../../parts/PageOf';
import { Facts, PageHead, Panel } from '../../parts/Panel';
import { State } from '../../parts/State';
import { Ago, Took } from '../../parts/Time';
import { PipelineAgain } from '../turns/RunAgain';
import { Graph } from './Graph';
import { LogDrawer } from './LogDrawer';
import { Inputs } from './PipelinesPage';
import { StepList } from './StepList';

export default function PipelineRunPage() {
  const { id } = useParams({ from: '/pipeline-runs/$id' });
  const found = useQuery(ask.pipelineRun(id));
  return (
    <PageOf query={found} kind="Pipeline run" name={id}>
      {(detail) => <Whole detail={detail} />}
    </PageOf>
  );
}

function Whole({ detail }: { detail: PipelineRunDetail }) {
  const { run } = detail;
  const { data: why = [] } = useQuery(ask.whyRerun(run.id));
  const [logOf, setLogOf] = useState('');
  const attempt = detail.attempts.find((one) => one.id === logOf);
  const act = useAct();
  const { code, environment } = run.spec;
  return (
    <>
      <PageHead
        kicker="Pipeline run"
        title={`${run.pipeline} ${run.id.slice(0, 8)}`}
        marks={<State state={run.state} />}
        sentence={
          <>
            Begun by {run.created_by} <Ago at={run.created_at} />, {run.finished_at ? 'took ' : 'running for '}
            <Took from={run.created_at} to={run.finished_at} />
            {run.error && (
              <>
                . <Long text={run.error} />
              </>
            )}
          </>
        }
        actions={
          run.finished_at ? (
            <PipelineAgain run={run} />
          ) : (
            <Button
              size="compact-sm"
              variant="default"
              loading={act.isPending}
              onClick={() => act.mutate({ path: `/pipeline-runs/${seg(run.id)}/cancel`, done: 'The run is cancelled' })}
            >
              Cancel
            </Button>
          )
        }
      />
      <div className="stack">
        <Panel label="Graph" flush>
          <Graph detail={detail} />
        </Panel>
        <Panel
          title="Steps"
          aside={<span className="faint">{detail.steps.filter((one) => one.state === 'CACHED').length} cached</span>}
          flush
        >
          <StepList detail={detail} why={why} onLog={(one) => setLogOf(one.id)} />
        </Panel>
        <div className="halves">
          <Panel title="About">
            <Facts
              of={[
                ['Read', <Inputs key="i" run={run} />],
                run.turn
                  ? ['Turn', <Go key="t" href={at.turn(`${run.loop}~${run.turn}`)}>{`${run.loop}~${run.turn}`}</Go>]
                  : null,
                run.run_id && [
                  'Run',
                  <Go key="r" href={at.run(run.run_id)}>
                    {run.run_id.slice(0, 8)}
                  </Go>,
                ],
                ['Cache', run.use_cache ? 'used' : 'not used'],
                [
                  'Code',
                  code.commit
                    ? `${code.commit.slice(0, 10)} on ${code.branch}${code.dirty ? ', with changes' : ''}`
                    : `bundle ${code.bundle.slice(0, 12)}`,
                ],
                [
                  'Environment',
                  `Python ${environment.python} on ${environment.platform}, ${environment.packages.length} packages`,
                ],
                ...Object.entries(run.spec.params ?? {}).map(([key, value]): [string, string] => [
                  key,
                  JSON.stringify(value),
                ]),
              ]}
            />
          </Panel>
          <Panel title="Run it again">
            <Code text={run.loop ? `hl run ${run.loop}` : `hl pipeline run ${run.pipeline}`} />
          </Panel>
        </div>
      </div>
      {attempt && <LogDrawer attempt={attempt} onClose={() => setLogOf('')} />}
    </>
  );
}
