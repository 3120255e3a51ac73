import { useQuery } from '@tanstack/react-query';
import * as ask from '../../api/queries';
import { at } from '../../app/paths';
import { Asked, Empty } from '../../parts/Asked';
import { num, percent } from '../../parts/format';
import { Go } from '../../parts/Go';
import { PageHead, Panel } from '../../parts/Panel';
import { State } from '../../parts/State';
import { Table } from '../../parts/Table';
import { Ago } from '../../parts/Time';
import { sharesOf } from './shares';
import { TrafficBar } from './TrafficBar';

const LIVE_MS = 2000;

export default function DeploymentsPage() {
  const deployments = useQuery({ ...ask.deployments(), refetchInterval: LIVE_MS });
  return (
    <>
      <PageHead
        title="Deployments"
        sentence="Where models answer, who takes which share of the traffic, and what moves."
      />
      <Panel label="Deployments" flush>
        <Asked
          of={deployments}
          empty={
            <Empty title="Nothing is deployed" code="hl rollout start churn churn/1">
              A turn that passes its gates is rolled out by itself.
            </Empty>
          }
        >
          {(found) => (
            <Table
              label="Deployments"
              rows={found}
              keyOf={(one) => one.deployment.name}
              hrefOf={(one) => at.deployment(one.deployment.name)}
              columns={[
                {
                  name: 'Deployment',
                  cell: ({ deployment }) => (
                    <Go href={at.deployment(deployment.name)} style={{ fontWeight: 600 }}>
                      {deployment.name}
                    </Go>
                  ),
                },
                {
                  name: 'Model',
                  cell: ({ deployment }) => <Go href={at.model(deployment.model)}>{deployment.model}</Go>,
                },
                {
                  name: 'Traffic',
                  width: '32%',
                  cell: (one) => {
                    const shares = sharesOf(one);
                    return (
                      <div className="tight" style={{ gap: 3 }}>
                        <TrafficBar shares={shares} slim />
                        <span className="soft">
                          {shares.map((share) => `v${share.modelVersion} ${percent(share.share)}`).join(', ') ||
                            'nothing serves yet'}
                        </span>
                      </div>
                    );
                  },
                },
                {
                  name: 'Rollout',
                  cell: ({ rollout, rollouts }) => {
                    const shown = rollout ?? rollouts[0];
                    return shown ? <State state={shown.state} /> : <span className="faint">none</span>;
                  },
                },
                {
                  name: 'Calls',
                  num: true,
                  cell: ({ counts }) => num(counts.reduce((sum, one) => sum + one.requests, 0)),
                },
                { name: 'Changed', num: true, cell: ({ deployment }) => <Ago at={deployment.updated_at} /> },
              ]}
            />
          )}
        </Asked>
      </Panel>
    </>
  );
}
