import { useQuery } from '@tanstack/react-query';
import { useParams } from '@tanstack/react-router';
import * as ask from '../../api/queries';
import type { DeploymentDetail, ModelDetail, PromotionRequest, VersionDetail } from '../../api/types';
import { at } from '../../app/paths';
import { Asked } from '../../parts/Asked';
import { num, percent } from '../../parts/format';
import { Go } from '../../parts/Go';
import { PageOf } from '../../parts/PageOf';
import { PageHead, Panel } from '../../parts/Panel';
import { AliasPill, State } from '../../parts/State';
import { Table } from '../../parts/Table';
import { Ago } from '../../parts/Time';
import { sharesOf } from '../deployments/shares';
import { Approvals } from './Approvals';
import { Pointers } from './Pointers';
import { Usage } from './Usage';

export default function ModelPage() {
  const { name } = useParams({ from: '/models/$name' });
  const model = useQuery(ask.model(name));
  return (
    <PageOf query={model} kind="Model" name={name}>
      {(detail) => <Whole name={name} detail={detail} />}
    </PageOf>
  );
}

function Whole({ name, detail }: { name: string; detail: ModelDetail }) {
  const versions = useQuery(ask.versions(name));
  const { data: deployments = [] } = useQuery({ ...ask.deployments(), refetchInterval: 5000 });
  return (
    <>
      <PageHead
        kicker="Model"
        title={name}
        sentence={
          detail.model.description || 'Its versions, newest first: verdicts, aliases, and the traffic each takes.'
        }
        actions={
          (versions.data?.length ?? 0) > 1 && (
            <Go href={newestTwo(name, versions.data ?? [])}>Compare the newest two</Go>
          )
        }
      />
      <div className="stack">
        <Panel label="Versions" flush>
          <Asked of={versions}>{(found) => <Versions name={name} versions={found} deployments={deployments} />}</Asked>
        </Panel>
        <div className="halves">
          <Panel title="Aliases">
            <Pointers of={detail} versions={(versions.data ?? []).map((one) => one.version.number)} />
          </Panel>
          <Panel title="Requests to promote">
            <Requests requests={detail.requests} />
          </Panel>
        </div>
        <Panel title="Use it">
          <Usage model={name} deployment={deployments.find((one) => one.deployment.model === name)} />
        </Panel>
      </div>
    </>
  );
}

function newestTwo(name: string, versions: VersionDetail[]): string {
  const [after, before] = versions.map((one) => one.version.number);
  return at.versionsDiff(name, before ?? 0, after ?? 0);
}

const MOST = 8;

/** What people were asked, newest first; the open ones can be answered here. */
function Requests({ requests }: { requests: PromotionRequest[] }) {
  if (!requests.length)
    return <p className="soft">Nobody asked yet. A protected alias moves only by a request that others approve.</p>;
  const sorted = requests.toSorted((a, b) => Number(b.state === 'OPEN') - Number(a.state === 'OPEN'));
  return (
    <ul className="stack" style={{ gap: 14 }}>
      {sorted.slice(0, MOST).map((one) => (
        <li key={one.id} className="tight">
          <span className="row">
            <Go href={at.version(one.model, one.number)} style={{ fontWeight: 600 }}>
              v{one.number}
            </Go>
            {one.alias ? (
              <AliasPill alias={one.alias} />
            ) : (
              <span className="soft">of turn {`${one.loop}~${one.turn}`}</span>
            )}
            <span className="faint mono">{one.id}</span>
          </span>
          <Approvals request={one} />
        </li>
      ))}
    </ul>
  );
}

interface VersionsProps {
  name: string;
  versions: VersionDetail[];
  deployments: DeploymentDetail[];
}

function Versions({ name, versions, deployments }: VersionsProps) {
  return (
    <Table
      label="Versions"
      rows={versions}
      keyOf={(one) => String(one.version.number)}
      hrefOf={(one) => at.version(name, one.version.number)}
      columns={[
        {
          name: 'Version',
          width: '1%',
          cell: ({ version }) => (
            <Go href={at.version(name, version.number)} style={{ fontWeight: 600 }}>
              v{version.number}
            </Go>
          ),
        },
        {
          name: 'Aliases',
          cell: ({ aliases, version }) => (
            <span className="row">
              {aliases.map((alias) => (
                <AliasPill key={alias} alias={alias} />
              ))}
              {version.stage === 'Archived' && <State state="STOPPED" word="Archived" />}
            </span>
          ),
        },
        { name: 'Gate', cell: (one) => <GateWord of={one} /> },
        {
          name: 'Metrics at the gate',
          cell: ({ report }) =>
            Object.entries(report?.evidence.metrics ?? {})
              .slice(0, 3)
              .map(([key, value]) => (
                <span key={key} className="nowrap" style={{ marginRight: 14 }}>
                  <span className="soft">{key}</span> {num(value)}
                </span>
              )),
        },
        {
          name: 'Traffic',
          cell: ({ version }) => <Traffic number={version.number} deployments={deployments} model={name} />,
        },
        {
          name: 'Turn',
          cell: ({ version }) =>
            version.turn ? (
              <Go href={at.turn(`${version.loop}~${version.turn}`)} className="nowrap">
                {version.loop}~{version.turn}
              </Go>
            ) : (
              <span className="faint">by hand</span>
            ),
        },
        { name: 'Registered', num: true, cell: ({ version }) => <Ago at={version.created_at} /> },
      ]}
    />
  );
}

export function GateWord({ of }: { of: VersionDetail }) {
  if (of.request?.state === 'OPEN') return <State state="APPROVING" />;
  if (!of.report) return <State state="no_data" word="Not judged" />;
  const outcomes = of.report.verdicts.map((verdict) => verdict.outcome);
  if (!outcomes.length) return <State state="no_data" word="Nothing tested" />;
  const bad = outcomes.filter((one) => one !== 'pass' && one !== 'waived').length;
  if (bad) return <State state="fail" word={`${bad} of ${outcomes.length} not passed`} />;
  const waived = outcomes.filter((one) => one === 'waived').length;
  if (waived) return <State state="waived" word={`${waived} waived`} />;
  return <State state="pass" word={`${outcomes.length} passed`} />;
}

export function Traffic({
  number,
  deployments,
  model,
}: {
  number: number;
  deployments: DeploymentDetail[];
  model: string;
}) {
  const found = deployments
    .filter((one) => one.deployment.model === model)
    .flatMap((one) => sharesOf(one).map((share) => ({ ...share, name: one.deployment.name })))
    .filter((share) => share.modelVersion === number && share.share > 0);
  if (!found.length) return <span className="faint">none</span>;
  return found.map((share) => (
    <span key={share.name} className="nowrap">
      <strong>{percent(share.share)}</strong> of <Go href={at.deployment(share.name)}>{share.name}</Go>
    </span>
  ));
}
