import { Button } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useParams } from '@tanstack/react-router';
import { seg } from '../../api/client';
import * as ask from '../../api/queries';
import type { Turn } from '../../api/types';
import { at } from '../../app/paths';
import { useAct } from '../../parts/act';
import { briefOf } from '../../parts/brief';
import { begun, clock, moment, plainStop } from '../../parts/format';
import { Go } from '../../parts/Go';
import { Long } from '../../parts/Long';
import { PageOf } from '../../parts/PageOf';
import { Facts, PageHead, Panel } from '../../parts/Panel';
import { State } from '../../parts/State';
import { Took } from '../../parts/Time';
import { CAUSES } from '../../words';
import { Steps } from '../deployments/Steps';
import { Approvals } from '../models/Approvals';
import { Verdicts } from '../models/Verdicts';
import { Better } from './Better';
import { textOf } from './parameters';
import { TurnAgain } from './RunAgain';
import { Timeline } from './Timeline';
import { turnId } from './TurnTable';
import css from './turns.module.css';

export default function TurnPage() {
  const { id } = useParams({ from: '/turns/$id' });
  const turn = useQuery(ask.turn(id));
  return (
    <PageOf query={turn} kind="Turn" name={id}>
      {(found) => <Whole turn={found} />}
    </PageOf>
  );
}

function Whole({ turn }: { turn: Turn }) {
  const { data: loops } = useQuery(ask.loops());
  const spec = loops?.find((one) => one.loop.name === turn.loop)?.loop.spec;
  const model = spec?.model ?? turn.loop;
  const place = spec?.deployment ?? turn.loop;
  const pipeline = useQuery({ ...ask.pipelineRun(turn.pipeline_run), enabled: !!turn.pipeline_run });
  const version = useQuery({ ...ask.version(model, turn.model_version), enabled: turn.model_version > 0 && !!spec });
  const deployment = useQuery({ ...ask.deployment(place), enabled: turn.rollout > 0 && !!spec });
  const rollout = deployment.data?.rollouts.find((one) => one.number === turn.rollout);
  const report = version.data?.report;
  return (
    <>
      <PageHead
        kicker={`Turn of the loop ${turn.loop}`}
        title={turnId(turn)}
        marks={<State state={turn.state} />}
        sentence={
          <>
            {begun(turn.cause.sentence)} at {clock(turn.created_at)}; {turn.finished_at ? 'it took ' : 'under way for '}
            <Took from={turn.created_at} to={turn.finished_at} />
            {turn.result ? `. ${begun(plainStop(briefOf(turn.result)))}.` : '.'}
          </>
        }
        actions={turn.finished_at ? spec && <TurnAgain turn={turn} spec={spec.pipeline} /> : <Cancel turn={turn} />}
      />
      <div className="stack">
        <Panel label="Timeline" flush>
          <Timeline turn={turn} pipeline={pipeline.data} rollout={rollout} model={model} deployment={place} />
          <div className={css.end}>
            <State state={turn.state} />
            <span className="soft" style={{ minWidth: 0 }}>
              {turn.result ? <Long text={turn.result} /> : turn.finished_at ? '' : 'still under way'}
            </span>
          </div>
        </Panel>
        <div className="halves">
          <div className="stack">
            <Panel title="Cause">
              <CauseFacts turn={turn} />
            </Panel>
            {report && <Better report={report} />}
            {version.data?.request && (
              <Panel title="Approval">
                <Approvals request={version.data.request} />
              </Panel>
            )}
          </div>
          {report && (
            <Panel
              title="Verdicts"
              aside={<Go href={`${at.version(model, turn.model_version)}#gate`}>{`${model}/${turn.model_version}`}</Go>}
              flush
            >
              <Verdicts report={report} canWaive={turn.state === 'REJECTED'} />
            </Panel>
          )}
          {rollout && (
            <Panel title="Rollout" aside={<State state={rollout.state} />} flush>
              <Steps rollout={rollout} />
              {rollout.reason && rollout.reason !== turn.result && (
                <p className={css.end}>
                  <Long text={rollout.reason} />
                </p>
              )}
            </Panel>
          )}
        </div>
      </div>
    </>
  );
}

function CauseFacts({ turn }: { turn: Turn }) {
  const { kind, subject } = turn.cause;
  const alert = useQuery({ ...ask.alert(subject), enabled: kind === 'alert' });
  return (
    <Facts
      of={[
        ['What', CAUSES[kind] ?? kind],
        kind === 'alert' && [
          'Alert',
          <Go key="a" href={at.alert(subject)}>
            {subject}
          </Go>,
        ],
        alert.data && ['Seen', alert.data.summary],
        kind === 'person' && ['Who', subject],
        kind === 'registered' && ['Version', subject],
        ['When', moment(turn.created_at)],
        turn.dataset_version && [
          'Data',
          <Go key="d" href={at.dataset(...(turn.dataset_version.split('@') as [string, string]))}>
            {turn.dataset_version}
          </Go>,
        ],
        ...Object.entries(turn.params ?? {}).map(([name, value]): [string, string] => [name, textOf(value)]),
        ['Champion then', turn.champion ? `version ${turn.champion}` : 'none'],
      ]}
    />
  );
}

function Cancel({ turn }: { turn: Turn }) {
  const act = useAct();
  const id = turnId(turn);
  return (
    <Button
      size="compact-sm"
      variant="default"
      loading={act.isPending}
      onClick={() => act.mutate({ path: `/turns/${seg(id)}/cancel`, body: { reason: '' }, done: `${id} cancelled` })}
    >
      Cancel the turn
    </Button>
  );
}
