import { useQuery } from '@tanstack/react-query';
import { get } from '../api/client';
import * as ask from '../api/queries';
import type { Page, Run, Status } from '../api/types';
import { at } from '../app/paths';
import { Asked, Empty } from '../parts/Asked';
import { counted, num } from '../parts/format';
import { Go } from '../parts/Go';
import { PageHead, Panel } from '../parts/Panel';
import { State } from '../parts/State';
import { Ago, Took } from '../parts/Time';
import { sharesOf } from './deployments/shares';
import { TrafficBar } from './deployments/TrafficBar';
import css from './loop/loop.module.css';
import { Needs } from './loop/Needs';
import { Ring } from './loop/Ring';
import { TurnTable } from './turns/TurnTable';

const FIRST = `# loop.py declares data, pipeline, gates, rollout, monitors and triggers
hl apply loop.py
hl run NAME`;

export function headlineOf(status: Status): [headline: string, sentence: string] {
  const turning = status.stations.find((one) => one.name === 'Retrain')?.moving ?? 0;
  const moving = status.stations.some((one) => one.moving > 0);
  if (status.needs.length)
    return [`${status.needs.length} for you`, turning ? 'and the loop is turning' : 'listed under Needs you'];
  if (turning) return ['Turning', `${counted(turning, 'turn')} under way`];
  if (moving) return ['Moving', 'a rollout is under way'];
  const filled = status.stations.some((one) => one.count > 0);
  return filled ? ['Calm', 'nothing moves, nothing waits'] : ['Empty', 'apply a loop to begin'];
}

export default function LoopPage() {
  const status = useQuery(ask.status());
  const turns = useQuery(ask.turns('', 8));
  return (
    <>
      <PageHead
        title="The loop"
        sentence="Data becomes a model, the model serves, serving is watched, and what is seen there begins the next turn."
      />
      <div className={css.board}>
        <div className={css.inbox}>
          <Asked of={status}>{(found) => <Needs needs={found.needs} />}</Asked>
        </div>
        <div className={`stack ${css.circle}`}>
          <Panel label="Stations of the loop">
            <Asked of={status} lines={12}>
              {(found) => {
                const [headline, sentence] = headlineOf(found);
                return <Ring stations={found.stations} headline={headline} sentence={sentence} />;
              }}
            </Asked>
          </Panel>
          <Panel title="Latest turns" aside={<Go href="/turns">All turns</Go>} flush>
            <Asked
              of={turns}
              empty={
                <Empty title="No turn yet" code={FIRST}>
                  A turn is one passage round the circle, from its cause to its result.
                </Empty>
              }
            >
              {(found) => <TurnTable turns={found} brief />}
            </Asked>
          </Panel>
        </div>
        <div className="stack">
          <NewestRun />
          <Serving status={status.data} />
        </div>
      </div>
    </>
  );
}

function NewestRun() {
  const runs = useQuery({
    queryKey: ['runs', 'newest'],
    queryFn: ({ signal }) => get<Page<Run>>('/runs', { limit: 12 }, signal),
  });
  return (
    <Panel title="Newest run" aside={<Go href="/runs">All runs</Go>} flush>
      <Asked of={runs} lines={3}>
        {({ items }) => {
          const run = items.find((one) => one.metrics.length > 0) ?? items[0];
          return run ? (
            <RunCard run={run} />
          ) : (
            <Empty title="No run yet" code={'import mlflow\nmlflow.log_metric("loss", 0.3)'} />
          );
        }}
      </Asked>
    </Panel>
  );
}

function RunCard({ run }: { run: Run }) {
  return (
    <div className={css.newest}>
      <div className="row apart">
        <Go href={at.run(run.run_id)}>{run.name}</Go>
        <State state={run.status} />
      </div>
      <div className={css.metrics}>
        {run.metrics.slice(0, 6).map((point) => (
          <span key={point.key}>
            <span className="soft">{point.key}</span> <b>{num(point.value)}</b>
          </span>
        ))}
      </div>
      <span className="faint">
        began <Ago at={run.start_time} />, took <Took from={run.start_time} to={run.end_time} />
      </span>
    </div>
  );
}

/** Who answers now, and whether the gateway is heard of. */
function Serving({ status }: { status: Status | undefined }) {
  const deployments = useQuery({ ...ask.deployments(), refetchInterval: 5000 });
  const seen = status?.gateway_seen_s;
  const silent = seen === undefined || seen === null || seen > 15;
  return (
    <Panel
      title="Serving now"
      aside={
        status && <State state={silent ? 'critical' : 'ok'} word={silent ? 'Gateway silent' : 'Gateway reports'} />
      }
    >
      <Asked of={deployments} lines={2} empty={<p className="soft">Nothing is deployed yet.</p>}>
        {(found) => (
          <div className="stack">
            {found.map((one) => (
              <div key={one.deployment.name} className="tight">
                <div className="row apart">
                  <Go href={at.deployment(one.deployment.name)} style={{ fontWeight: 600 }}>
                    {one.deployment.name}
                  </Go>
                  <span className="soft">{num(one.counts.reduce((sum, count) => sum + count.requests, 0))} calls</span>
                </div>
                <TrafficBar shares={sharesOf(one)} />
              </div>
            ))}
          </div>
        )}
      </Asked>
    </Panel>
  );
}
