import { useQuery } from '@tanstack/react-query';
import { useParams } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import * as ask from '../api/queries';
import type { Answer } from '../api/types';
import { at } from '../app/paths';
import { Id } from '../parts/Code';
import { moment, num } from '../parts/format';
import { Go } from '../parts/Go';
import { PageOf } from '../parts/PageOf';
import { PageHead, Panel } from '../parts/Panel';
import models from './models/models.module.css';
import { Verdicts } from './models/Verdicts';

/** The walk back from one prediction. */
export default function WhyPage() {
  const { id } = useParams({ from: '/why/$id' });
  const answer = useQuery({ ...ask.why(id), refetchInterval: false });
  return (
    <PageOf query={answer} kind="Prediction" name={id}>
      {(found) => <Whole id={id} found={found} />}
    </PageOf>
  );
}

function Whole({ id, found }: { id: string; found: Answer }) {
  return (
    <>
      <PageHead
        kicker="Why this prediction"
        title={<span className="mono">{id}</span>}
        sentence="All that stands behind one answer, from the request back to the rows, the code and the people."
      />
      <div className="two">
        <Panel title="The walk back">
          <ol className={models.lineage}>
            {walk(found).map(([name, value]) => (
              <li key={name}>
                <span>{name}</span>
                <span>{value}</span>
              </li>
            ))}
          </ol>
        </Panel>
        <div className="stack">
          {found.report && (
            <Panel title="What its gate said" flush>
              <Verdicts report={found.report} />
            </Panel>
          )}
          <Panel title="What it was asked">
            <p className="mono soft" style={{ overflowWrap: 'anywhere' }}>
              {Object.entries(found.prediction.features ?? {})
                .map(([key, value]) => `${key} ${value}`)
                .join(', ')}
            </p>
          </Panel>
        </div>
      </div>
    </>
  );
}

function walk(found: Answer): [string, ReactNode][] {
  const { prediction, version, run, code, environment, request } = found;
  const labels = Object.entries(prediction.labels ?? {}).map(([key, value]) => `${key} ${value}`);
  const rows: [string, ReactNode][] = [
    ['Answer', <strong key="a">{prediction.prediction}</strong>],
    ['Since known', labels.join(', ') || 'no label yet'],
    ['When', `${moment(prediction.at)}, ${num(prediction.latency_us / 1000, 3)} ms, status ${prediction.status}`],
    [
      'Deployment',
      <Go key="d" href={at.deployment(prediction.deployment)}>
        {prediction.deployment}
      </Go>,
    ],
    [
      'Version',
      <Go key="v" href={at.version(version.model, version.number)}>{`${version.model}/${version.number}`}</Go>,
    ],
  ];
  if (found.turn)
    rows.push(
      [
        'Turn',
        <Go key="t" href={at.turn(found.turn)}>
          {found.turn}
        </Go>,
      ],
      ['Cause', found.turn_cause],
    );
  const people = request?.approvals.map((one) => `${one.person} (${one.decision})`) ?? [];
  if (people.length) rows.push(['People', people.join(', ')]);
  if (run)
    rows.push([
      'Run',
      <Go key="r" href={at.run(run.run_id)}>
        <Id of={run.run_id} />
      </Go>,
    ]);
  for (const [input, ref] of Object.entries(found.datasets)) {
    const [name = '', point = ''] = ref.split('@');
    rows.push([
      `Data: ${input}`,
      <Go key={input} href={at.dataset(name, point)} className="mono">
        {ref}
      </Go>,
    ]);
  }
  if (code)
    rows.push([
      'Code',
      `${code.commit ? code.commit.slice(0, 10) : 'no commit'}${code.branch ? ` on ${code.branch}` : ''}, bundle ${code.bundle.slice(0, 8)}`,
    ]);
  if (environment) rows.push(['Environment', `Python ${environment.python}, ${environment.packages.length} packages`]);
  return rows;
}
