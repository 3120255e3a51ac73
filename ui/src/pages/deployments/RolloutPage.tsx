import { useQuery } from '@tanstack/react-query';
import { useParams } from '@tanstack/react-router';
import * as ask from '../../api/queries';
import type { Revision, RolloutReport } from '../../api/types';
import { at } from '../../app/paths';
import { Empty } from '../../parts/Asked';
import { Go } from '../../parts/Go';
import { Long } from '../../parts/Long';
import { PageOf } from '../../parts/PageOf';
import { PageHead, Panel } from '../../parts/Panel';
import { State } from '../../parts/State';
import { Ago } from '../../parts/Time';
import { Outcomes } from './Outcomes';
import { Steps } from './Steps';

const LIVE_MS = 3000;

/** The report of one rollout: what was compared, what came of it, and why. */
export default function RolloutPage() {
  const { name, number } = useParams({ from: '/deployments/$name/rollouts/$number' });
  const report = useQuery({ ...ask.rollout(name, number), refetchInterval: LIVE_MS });
  return (
    <PageOf query={report} kind="Rollout" name={`${name}#${number}`}>
      {(found) => <Whole report={found} />}
    </PageOf>
  );
}

function Whole({ report: { rollout, stable, candidate } }: { report: RolloutReport }) {
  return (
    <>
      <PageHead
        kicker={rollout.plan.outcome ? 'A/B test' : 'Rollout'}
        title={`${rollout.deployment}#${rollout.number}`}
        marks={<State state={rollout.state} />}
        sentence={
          <>
            <Version revision={candidate} /> against {stable ? <Version revision={stable} /> : 'nothing'} in{' '}
            <Go href={at.deployment(rollout.deployment)}>{rollout.deployment}</Go>
            {rollout.turn > 0 && (
              <>
                , of turn <Go href={at.turn(`${rollout.loop}~${rollout.turn}`)}>{`${rollout.loop}~${rollout.turn}`}</Go>
              </>
            )}
            ; began <Ago at={rollout.created_at} />.
          </>
        }
      />
      <div className="stack">
        {rollout.reason && (
          <Panel title={CONCLUSIONS[rollout.conclusion] ?? 'Why'}>
            <p>
              <Long text={rollout.reason} />
            </p>
          </Panel>
        )}
        <div className="halves">
          <Panel title="Outcomes" flush>
            {rollout.outcomes.length ? (
              <Outcomes readings={rollout.outcomes} />
            ) : (
              <Empty title="No outcome was read">
                A loop declares what counts: hl.Loop(..., outcomes=[hl.outcome("conversion")]).
              </Empty>
            )}
          </Panel>
          <Panel title="Steps and guards" flush>
            <Steps rollout={rollout} />
          </Panel>
        </div>
      </div>
    </>
  );
}

const CONCLUSIONS: Record<string, string> = {
  better: 'The candidate is better and serves all',
  not_worse: 'The candidate is not worse and serves all',
  worse: 'The candidate did harm and was rolled back',
  no_difference: 'No difference was shown: the old version stays',
};

const Version = ({ revision }: { revision: Revision }) => (
  <Go href={at.version(revision.model, revision.model_version)}>{`${revision.model}/${revision.model_version}`}</Go>
);
