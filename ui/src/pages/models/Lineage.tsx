import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import * as ask from '../../api/queries';
import type { VersionDetail } from '../../api/types';
import { at } from '../../app/paths';
import { Id } from '../../parts/Code';
import { Go } from '../../parts/Go';
import css from './models.module.css';

/** The walk back: version, run, code, environment, data, cause. */
export function Lineage({ of }: { of: VersionDetail }) {
  const { version, report, request } = of;
  const { data: turns = [] } = useQuery({ ...ask.turns(report?.loop), enabled: !version.turn && !!report });
  const byHand = turns.find((one) => one.model_version === version.number);
  const turnId = version.turn ? `${version.loop}~${version.turn}` : byHand ? `${byHand.loop}~${byHand.number}` : '';
  const turn = useQuery({ ...ask.turn(turnId), enabled: !!turnId });
  const pipelineId = turn.data?.pipeline_run ?? '';
  const pipeline = useQuery({ ...ask.pipelineRun(pipelineId), enabled: !!pipelineId });
  const code = pipeline.data?.run.spec.code;
  const environment = pipeline.data?.run.spec.environment;
  const people = request?.approvals.filter((one) => one.decision === 'approve').map((one) => one.person) ?? [];
  const waivers = report?.verdicts.filter((one) => one.outcome === 'waived') ?? [];
  const rows: [string, ReactNode][] = [
    [
      'Serves',
      of.deployments.length
        ? of.deployments.map((name) => (
            <Go key={name} href={at.deployment(name)}>
              {name}
            </Go>
          ))
        : 'nowhere now',
    ],
  ];
  if (people.length) rows.push(['Approved by', people.join(', ')]);
  if (waivers.length) rows.push(['Waived by', [...new Set(waivers.map((one) => one.waived_by))].join(', ')]);
  if (turnId)
    rows.push([
      'Turn',
      <Go key="t" href={at.turn(turnId)}>
        {turnId}
      </Go>,
    ]);
  if (turn.data)
    rows.push([
      'Cause',
      turn.data.cause.kind === 'alert' ? (
        <Go key="c" href={at.alert(turn.data.cause.subject)}>
          {turn.data.cause.sentence}
        </Go>
      ) : (
        turn.data.cause.sentence
      ),
    ]);
  if (version.run_id)
    rows.push([
      'Run',
      <Go key="r" href={at.run(version.run_id)}>
        <Id of={version.run_id} />
      </Go>,
    ]);
  if (pipelineId)
    rows.push([
      'Pipeline run',
      <Go key="p" href={at.pipelineRun(pipelineId)}>
        <Id of={pipelineId} />
      </Go>,
    ]);
  for (const [input, ref] of Object.entries(pipeline.data?.run.inputs ?? {})) {
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
      <span key="c">
        {code.commit ? <span className="mono">{code.commit.slice(0, 10)}</span> : 'no commit'}
        {code.branch && ` on ${code.branch}`}
        {code.dirty && ', with changes'} <span className="faint">bundle {code.bundle.slice(0, 8)}</span>
      </span>,
    ]);
  if (environment)
    rows.push([
      'Environment',
      `Python ${environment.python}, ${environment.packages.length} packages, ${environment.hash.slice(0, 8)}`,
    ]);
  return (
    <ol className={css.lineage}>
      {rows.map(([name, value]) => (
        <li key={name}>
          <span>{name}</span>
          <span>{value}</span>
        </li>
      ))}
    </ol>
  );
}
