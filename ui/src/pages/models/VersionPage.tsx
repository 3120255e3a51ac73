import { useQuery } from '@tanstack/react-query';
import { useParams } from '@tanstack/react-router';
import { useEffect } from 'react';
import * as ask from '../../api/queries';
import type { VersionDetail } from '../../api/types';
import { at } from '../../app/paths';
import { Empty } from '../../parts/Asked';
import { Copy } from '../../parts/Code';
import { bytes, counted } from '../../parts/format';
import { Go } from '../../parts/Go';
import { PageOf } from '../../parts/PageOf';
import { Facts, PageHead, Panel } from '../../parts/Panel';
import { AliasPill, State } from '../../parts/State';
import { Table } from '../../parts/Table';
import { Ago } from '../../parts/Time';
import { Better } from '../turns/Better';
import { Approvals } from './Approvals';
import { CardPanel } from './CardPanel';
import { Lineage } from './Lineage';
import { LineageMap } from './LineageMap';
import { GateWord, Traffic } from './ModelPage';
import css from './models.module.css';
import { Usage } from './Usage';
import { Verdicts } from './Verdicts';

export default function VersionPage() {
  const { name, number } = useParams({ from: '/models/$name/$number' });
  const version = useQuery(ask.version(name, number));
  return (
    <PageOf query={version} kind="Version" name={`${name}/${number}`}>
      {(found) => <Whole of={found} />}
    </PageOf>
  );
}

function Whole({ of }: { of: VersionDetail }) {
  const { version, report, request } = of;
  const { data: deployments = [] } = useQuery(ask.deployments());
  const place = deployments.find((one) => one.deployment.model === version.model);
  useEffect(() => {
    if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
  }, []);
  return (
    <>
      <PageHead
        kicker={<Go href={at.model(version.model)}>{version.model}</Go>}
        title={`${version.model}/${version.number}`}
        marks={
          <>
            <GateWord of={of} />
            {of.aliases.map((alias) => (
              <AliasPill key={alias} alias={alias} />
            ))}
            {version.stage === 'Archived' && <State state="STOPPED" word="Archived" />}
          </>
        }
        sentence={
          <>
            Registered <Ago at={version.created_at} /> by {version.created_by}
            {of.deployments.length > 0 ? `; it serves ${of.deployments.join(', ')}` : '; it serves nowhere now'}
            {version.description && `. ${version.description}`}
          </>
        }
        actions={
          version.number > 1 && (
            <Go href={at.versionsDiff(version.model, version.number - 1, version.number)}>
              Compare with the one before
            </Go>
          )
        }
      />
      {of.changed && (
        <p role="alert" className={css.warning}>
          <strong>The files of this version changed since it was registered.</strong> Its verdicts and approvals are for
          other bytes: register it anew, or bring the files back.
        </p>
      )}
      <div className="two">
        <div className="stack">
          <div id="gate">
            <Panel
              title="Verdicts"
              aside={report && <span className="faint">on {counted(report.evidence.row_count, 'row')}</span>}
              flush
            >
              {report ? (
                <Verdicts report={report} canWaive />
              ) : (
                <Empty title="Not judged yet">The gates of the model's loop judge every new version.</Empty>
              )}
            </Panel>
          </div>
          <LineageMap noun="model_version" id={`${version.model}/${version.number}`} />
          <CardPanel model={version.model} number={version.number} />
          {report && report.evidence.comparisons.length > 0 && <Better report={report} />}
          <Panel title="Use it">
            <Usage model={version.model} number={version.number} deployment={place} />
          </Panel>
          <Panel
            title="Files"
            aside={<span className="faint">{bytes(of.files.reduce((sum, file) => sum + file.size, 0))}</span>}
            flush
          >
            <Table
              label="Files"
              rows={of.files}
              keyOf={(file) => file.path}
              columns={[
                { name: 'Path', cell: (file) => <span className="mono">{file.path}</span> },
                { name: 'Size', num: true, cell: (file) => bytes(file.size) },
                {
                  name: 'BLAKE3',
                  num: true,
                  cell: (file) => <span className="mono faint">{file.hash.slice(0, 12)}</span>,
                },
              ]}
            />
          </Panel>
        </div>
        <div className="stack">
          {request && (
            <Panel title="Approval">
              <Approvals request={request} />
            </Panel>
          )}
          <Panel title="Serves now">
            <p>
              <Traffic number={version.number} deployments={deployments} model={version.model} />
            </p>
          </Panel>
          <Panel title="Where it comes from">
            <Lineage of={of} />
          </Panel>
          <Panel title="About">
            <Facts
              of={[
                [
                  'Digest',
                  <span key="d" className="mono">
                    {version.digest.slice(0, 16)} <Copy text={version.digest} what="Copy the digest" />
                  </span>,
                ],
                ['Status', version.status],
                ...(version.stage === 'None' ? [] : [['Stage', version.stage] as [string, string]]),
                [
                  'Source',
                  <span key="s" className="mono">
                    {version.source}
                  </span>,
                ],
                ...Object.entries(version.tags ?? {}).map(([key, value]): [string, string] => [key, value]),
              ]}
            />
          </Panel>
        </div>
      </div>
    </>
  );
}
