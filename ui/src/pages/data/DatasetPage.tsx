import { NativeSelect } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useNavigate, useParams, useSearch } from '@tanstack/react-router';
import * as ask from '../../api/queries';
import type { DatasetVersion } from '../../api/types';
import { at } from '../../app/paths';
import { Asked } from '../../parts/Asked';
import { Code } from '../../parts/Code';
import { bytes, counted, num } from '../../parts/format';
import { Go } from '../../parts/Go';
import { PageOf } from '../../parts/PageOf';
import { PageHead, Panel } from '../../parts/Panel';
import { AliasPill, State } from '../../parts/State';
import { Table } from '../../parts/Table';
import { Ago } from '../../parts/Time';
import { Checks } from './Checks';
import { Diff } from './Diff';
import css from './data.module.css';

export default function DatasetPage() {
  const { name } = useParams({ from: '/data/$name' });
  const versions = useQuery(ask.datasetVersions(name));
  return (
    <PageOf query={versions} kind="Dataset" name={name}>
      {(found) => <Whole name={name} versions={found} />}
    </PageOf>
  );
}

function Whole({ name, versions }: { name: string; versions: DatasetVersion[] }) {
  const search = useSearch({ from: '/data/$name' });
  const navigate = useNavigate({ from: '/data/$name' });
  const { data: datasets = [] } = useQuery(ask.datasets());
  const summary = datasets.find((one) => one.dataset.name === name);
  const chosen = versions.find((one) => one.id === search.version) ?? versions[0];
  const before = versions.find((one) => one.id === search.before) ?? versions.find((one) => one.id === chosen?.parent);
  const refsOf = (id: string) => summary?.refs.filter((ref) => ref.target === id).map((ref) => ref.name) ?? [];
  if (!chosen) return <PageHead kicker="Dataset" title={name} sentence="It has no version yet." />;
  return (
    <>
      <PageHead
        kicker="Dataset"
        title={name}
        sentence={`${counted(versions.length, 'version')}${summary?.dataset.description ? `. ${summary.dataset.description}` : ''}`}
      />
      <div className={css.layout}>
        <Panel title="Versions" flush>
          <ol className={css.line}>
            {versions.map((one) => (
              <VersionRow
                key={one.id}
                version={one}
                current={one.id === chosen.id}
                refs={refsOf(one.id)}
                most={mostRows(versions)}
              />
            ))}
          </ol>
        </Panel>
        <div className="stack">
          <Panel title={`Version ${chosen.sequence}`} aside={<span className="mono faint">{chosen.id}</span>}>
            <div className="stack">
              <Code
                text={`hl data checkout ${name}@${chosen.id} ./folder\n\n# in a pipeline\nhl.dataset("${name}@${refsOf(chosen.id)[0] ?? chosen.id}")`}
                label="How to get it"
              />
              <Columns version={chosen} />
              {(chosen.notes ?? []).map((note) => (
                <p key={note} className="soft">
                  {note}
                </p>
              ))}
            </div>
          </Panel>
          <Checks version={chosen} />
          <Files name={name} version={chosen} />
          {versions.length > 1 && (
            <Panel
              title={before ? `What changed since version ${before.sequence}` : 'What changed'}
              aside={
                <NativeSelect
                  size="xs"
                  aria-label="Compare with"
                  value={before?.id ?? ''}
                  onChange={(event) =>
                    navigate({
                      search: (now) => ({ ...now, before: event.currentTarget.value || undefined }),
                      replace: true,
                    })
                  }
                  data={[
                    { value: '', label: 'Its parent' },
                    ...versions
                      .filter((one) => one.id !== chosen.id)
                      .map((one) => ({ value: one.id, label: `Version ${one.sequence}` })),
                  ]}
                />
              }
              flush
            >
              {before ? (
                <Diff name={name} before={before} after={chosen} />
              ) : (
                <p className="soft" style={{ padding: 14 }}>
                  This is the first version; it has no parent.
                </p>
              )}
            </Panel>
          )}
        </div>
      </div>
    </>
  );
}

const mostRows = (versions: DatasetVersion[]): number => Math.max(1, ...versions.map((one) => one.row_count ?? 0));

function VersionRow({
  version,
  current,
  refs,
  most,
}: {
  version: DatasetVersion;
  current: boolean;
  refs: string[];
  most: number;
}) {
  return (
    <li className={css.version} data-current={current}>
      <div className="row apart">
        <Go
          href={at.dataset(version.dataset, version.id)}
          className="mono"
          aria-current={current ? 'true' : undefined}
          style={{ fontWeight: 600 }}
        >
          {version.id}
        </Go>
        <span className="row">
          {version.state !== 'published' && <State state={version.state ?? 'draft'} plain />}
          {refs.map((ref) => (
            <AliasPill key={ref} alias={ref} />
          ))}
        </span>
      </div>
      {version.message && <p>{version.message}</p>}
      <div className={css.rows} role="img" aria-label={`${num(version.row_count)} rows`}>
        <span style={{ width: `${((version.row_count ?? 0) / most) * 100}%` }} />
      </div>
      <p className="soft">
        {version.row_count === null || version.row_count === undefined ? '' : `${num(version.row_count)} rows, `}
        {counted(version.file_count, 'file')}, {bytes(version.byte_count)}
      </p>
      <p className="faint">
        {version.created_by}, <Ago at={version.created_at} />
        {version.turn && (
          <>
            , by <Go href={at.turn(version.turn)}>{version.turn}</Go>
          </>
        )}
      </p>
    </li>
  );
}

function Columns({ version }: { version: DatasetVersion }) {
  const columns = (version.columns ?? []) as unknown as [string, string][];
  if (!columns.length) return null;
  return (
    <details>
      <summary>{counted(columns.length, 'column')}</summary>
      <ul className={css.columns}>
        {columns.map(([name, kind]) => (
          <li key={name}>
            <span className="mono">{name}</span> <span className="faint">{kind.toLowerCase()}</span>
          </li>
        ))}
      </ul>
    </details>
  );
}

function Files({ name, version }: { name: string; version: DatasetVersion }) {
  const files = useQuery(ask.files(name, version.id));
  return (
    <Panel title="Files" aside={<span className="faint">{bytes(version.byte_count)}</span>} flush>
      <Asked of={files}>
        {(found) => (
          <Table
            label="Files"
            rows={found.slice(0, 200)}
            keyOf={([path]) => path}
            columns={[
              { name: 'Path', cell: ([path]) => <span className="mono">{path}</span> },
              { name: 'Size', num: true, cell: ([, size]) => bytes(size) },
              {
                name: 'BLAKE3',
                num: true,
                cell: ([, , hash]) => <span className="mono faint">{hash.slice(0, 12)}</span>,
              },
            ]}
          />
        )}
      </Asked>
    </Panel>
  );
}
