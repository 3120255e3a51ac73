import { useQuery } from '@tanstack/react-query';
import { useParams } from '@tanstack/react-router';
import * as ask from '../../api/queries';
import type { DeploymentDetail } from '../../api/types';
import { at } from '../../app/paths';
import { Empty } from '../../parts/Asked';
import { Go } from '../../parts/Go';
import { Long } from '../../parts/Long';
import { PageOf } from '../../parts/PageOf';
import { PageHead, Panel } from '../../parts/Panel';
import { State } from '../../parts/State';
import { Table } from '../../parts/Table';
import { Ago } from '../../parts/Time';
import { Arms } from './Arms';
import { Controls } from './Controls';
import { Outcomes } from './Outcomes';
import { Predictions } from './Predictions';
import { Steps } from './Steps';
import { sharesOf } from './shares';
import { TrafficBar } from './TrafficBar';

const LIVE_MS = 1500;

export default function DeploymentPage() {
  const { name } = useParams({ from: '/deployments/$name' });
  const deployment = useQuery({ ...ask.deployment(name), refetchInterval: LIVE_MS });
  return (
    <PageOf query={deployment} kind="Deployment" name={name}>
      {(found) => <Whole detail={found} />}
    </PageOf>
  );
}

function Whole({ detail }: { detail: DeploymentDetail }) {
  const { deployment, rollout, rollouts } = detail;
  const shares = sharesOf(detail);
  const shown = rollout ?? rollouts[0];
  return (
    <>
      <PageHead
        kicker="Deployment"
        title={deployment.name}
        marks={rollout && <State state={rollout.state} />}
        sentence={
          <>
            Answers for the model <Go href={at.model(deployment.model)}>{deployment.model}</Go>; last changed{' '}
            <Ago at={deployment.updated_at} />.
          </>
        }
        actions={<Controls detail={detail} />}
      />
      <div className="stack">
        <Panel title="Traffic">
          {shares.length ? <TrafficBar shares={shares} /> : <p className="soft">Nothing serves yet.</p>}
        </Panel>
        {shares.length > 0 && (
          <Panel label="Versions that serve" flush>
            <Arms detail={detail} shares={shares} />
          </Panel>
        )}
        <div className="halves">
          <Panel
            title={rollout ? 'Rollout under way' : 'Last rollout'}
            aside={
              shown && (
                <>
                  <State state={shown.state} />
                  <Go href={at.rollout(deployment.name, shown.number)}>report</Go>
                  {shown.turn > 0 && (
                    <Go href={at.turn(`${shown.loop}~${shown.turn}`)}>{`${shown.loop}~${shown.turn}`}</Go>
                  )}
                </>
              )
            }
            flush
          >
            {shown ? <Steps rollout={shown} /> : <Empty title="No rollout yet" />}
            {shown && shown.outcomes.length > 0 && <Outcomes readings={shown.outcomes} />}
            {shown?.reason && (
              <p className="soft" style={{ padding: '10px 14px' }}>
                <Long text={shown.reason} />
              </p>
            )}
          </Panel>
          <div className="stack">
            <Panel title="Revisions" flush>
              <Revisions detail={detail} />
            </Panel>
            {rollouts.length > 1 && (
              <Panel title="Earlier rollouts" flush>
                <Table
                  label="Rollouts"
                  rows={rollouts.filter((one) => one !== shown)}
                  keyOf={(one) => String(one.number)}
                  columns={[
                    {
                      name: 'Rollout',
                      cell: (one) => (
                        <Go href={at.rollout(deployment.name, one.number)}>{`${deployment.name}#${one.number}`}</Go>
                      ),
                    },
                    { name: 'State', cell: (one) => <State state={one.state} /> },
                    {
                      name: 'Why',
                      cell: (one) => (
                        <span className="soft">
                          <Long text={one.reason} />
                        </span>
                      ),
                    },
                    { name: 'Began', num: true, cell: (one) => <Ago at={one.created_at} /> },
                  ]}
                />
              </Panel>
            )}
          </div>
        </div>
        <Predictions name={deployment.name} />
      </div>
    </>
  );
}

function Revisions({ detail }: { detail: DeploymentDetail }) {
  const { deployment, revisions } = detail;
  const role = (number: number) =>
    number === deployment.stable
      ? 'stable'
      : number === detail.rollout?.candidate
        ? 'candidate'
        : number === deployment.previous
          ? 'previous, warm'
          : '';
  return (
    <Table
      label="Revisions"
      rows={revisions.toSorted((a, b) => b.number - a.number)}
      keyOf={(one) => String(one.number)}
      columns={[
        { name: 'Revision', cell: (one) => `#${one.number}` },
        {
          name: 'Version',
          cell: (one) => <Go href={at.version(one.model, one.model_version)}>{`${one.model}/${one.model_version}`}</Go>,
        },
        { name: 'State', cell: (one) => <State state={one.state} /> },
        { name: 'Role', cell: (one) => <span className="nowrap">{role(one.number)}</span> },
        {
          name: 'How',
          cell: (one) => (
            <span className="soft">
              <Long text={one.reason} />
            </span>
          ),
        },
      ]}
    />
  );
}
