import { Button, NativeSelect } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useNavigate, useParams, useSearch } from '@tanstack/react-router';
import { useState } from 'react';
import * as ask from '../../api/queries';
import type { DatasetVersion } from '../../api/types';
import { at } from '../../app/paths';
import { Asked } from '../../parts/Asked';
import { Code } from '../../parts/Code';
import { bytes, counted, num } from '../../parts/format';
import { Go } from '../../parts/Go';
import { PageOf } from '../../parts/PageOf';
import { Figures, PageHead, Panel } from '../../parts/Panel';
import { AliasPill, State } from '../../parts/State';
import { Table } from '../../parts/Table';
import { Ago } from '../../parts/Time';
import { LineageMap } from '../models/LineageMap';
import { Checks } from './Checks';
import { Contract } from './Contract';
import { Diff } from './Diff';
import css from './data.module.css';
import { FirstRows, Pictures } from './Preview';
import { Columns } from './Profile';
import { Upload } from './Upload';
import { Uses } from './Uses';

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
  const { data: datasets = [] } = useQuery(ask.datasets());
  const summary = datasets.find((one) => one.dataset.name === name);
  const chosen = versions.find((one) => one.id === search.version) ?? versions[0];
  const before = versions.find((one) => one.id === search.before) ?? versions.find((one) => one.id === chosen?.parent);
  const refsOf = (id: string) => summary?.refs.filter((ref) => ref.target === id).map((ref) => ref.name) ?? [];
  const head = summary?.refs.find((ref) => ref.name === 'main')?.target ?? '';
  return (
    <>
      <PageHead
        kicker="Dataset"
        title={name}
        sentence={
          chosen
            ? `${counted(versions.length, 'version')}${summary?.dataset.description ? `. ${summary.dataset.description}` : ''}`
            : 'It has no version yet.'
        }
        actions={summary && <Upload dataset={name} head={head} />}
      />
      {chosen && (
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
            <About version={chosen} refs={refsOf(chosen.id)} />
            <Checks version={chosen} />
            <Content version={chosen} before={before} />
            <Contract name={name} exists={summary?.has_contract ?? false} />
            <Uses name={name} />
            <LineageMap noun="dataset_version" id={`${name}@${chosen.id}`} title="What was made of this version" />
            <Files name={name} version={chosen} />
            {versions.length > 1 && <Changed versions={versions} chosen={chosen} before={before} />}
          </div>
        </div>
      )}
    </>
  );
}

/** What a version is, and how to get it. */
function About({ version, refs }: { version: DatasetVersion; refs: string[] }) {
  const { dataset, id, columns = [], notes = [] } = version;
  return (
    <Panel title={`Version ${version.sequence}`} aside={<span className="mono faint">{id}</span>}>
      <div className="stack">
        <Figures
          of={[
            typeof version.row_count === 'number' && ['Rows', num(version.row_count)],
            columns.length > 0 && ['Columns', num(columns.length)],
            ['Files', num(version.file_count)],
            ['Size', bytes(version.byte_count)],
          ]}
        />
        {notes.map((note) => (
          <p key={note} className="soft">
            {note}
          </p>
        ))}
        <Code
          text={`hl data checkout ${dataset}@${id} ./folder\n\n# in a pipeline\nhl.dataset("${dataset}@${refs[0] ?? id}")`}
          label="How to get it"
        />
      </div>
    </Panel>
  );
}

const isTable = (version: DatasetVersion | undefined): boolean =>
  version?.kind === 'table' || (version?.kind === '' && version.row_count !== null);

/** What is in a version: the rows and columns of a table, and pictures. */
function Content({ version, before }: { version: DatasetVersion; before: DatasetVersion | undefined }) {
  const files = useQuery(ask.files(version.dataset, version.id));
  return (
    <>
      {isTable(version) && <TableContent version={version} before={isTable(before) ? before : undefined} />}
      {files.data && <Pictures version={version} files={files.data} />}
    </>
  );
}

function TableContent({ version, before }: { version: DatasetVersion; before: DatasetVersion | undefined }) {
  const profile = useQuery(ask.profile(version.dataset, version.id, before?.id));
  return (
    <>
      <FirstRows of={profile} />
      {profile.data?.state === 'ready' && (
        <Columns
          profile={profile.data}
          now={`version ${version.sequence}`}
          before={before ? `version ${before.sequence}` : ''}
        />
      )}
    </>
  );
}

interface ChangedProps {
  versions: DatasetVersion[];
  chosen: DatasetVersion;
  before: DatasetVersion | undefined;
}

/** How a version differs from its parent, or from another that is chosen; its columns stand beside those of that one too. */
function Changed({ versions, chosen, before }: ChangedProps) {
  const navigate = useNavigate({ from: '/data/$name' });
  const others = versions.filter((one) => one.id !== chosen.id);
  return (
    <Panel
      title={before ? `What changed since version ${before.sequence}` : 'What changed'}
      aside={
        <NativeSelect
          size="xs"
          aria-label="Compare with"
          value={before?.id ?? ''}
          onChange={(event) => {
            const { value } = event.currentTarget;
            void navigate({ search: (now) => ({ ...now, before: value || undefined }), replace: true });
          }}
          data={[
            { value: '', label: 'Its parent' },
            ...others.map((one) => ({ value: one.id, label: `Version ${one.sequence}` })),
          ]}
        />
      }
      flush
    >
      {before ? (
        <Diff name={chosen.dataset} before={before} after={chosen} />
      ) : (
        <p className="soft" style={{ padding: 14 }}>
          This is the first version; it has no parent.
        </p>
      )}
    </Panel>
  );
}

const FIRST_FILES = 12;
const MOST_FILES = 500;

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

function Files({ name, version }: { name: string; version: DatasetVersion }) {
  const files = useQuery(ask.files(name, version.id));
  const [all, setAll] = useState(false);
  return (
    <Panel title="Files" aside={<span className="faint">{bytes(version.byte_count)}</span>} flush>
      <Asked of={files}>
        {(found) => (
          <>
            <Table
              label="Files"
              rows={found.slice(0, all ? MOST_FILES : FIRST_FILES)}
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
            <FilesNote count={found.length} all={all} onAll={() => setAll(true)} />
          </>
        )}
      </Asked>
    </Panel>
  );
}

function FilesNote({ count, all, onAll }: { count: number; all: boolean; onAll: () => void }) {
  if (!all && count > FIRST_FILES)
    return (
      <p className={css.note}>
        <Button size="compact-sm" variant="default" onClick={onAll}>
          {count > MOST_FILES ? `Show ${num(MOST_FILES)} of ${num(count)}` : `Show all ${num(count)}`}
        </Button>
      </p>
    );
  return all && count > MOST_FILES ? (
    <p className={css.note}>
      The first {num(MOST_FILES)} of {num(count)} files.
    </p>
  ) : null;
}
