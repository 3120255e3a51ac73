import { NativeSelect } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useNavigate, useParams, useSearch } from '@tanstack/react-router';
import * as ask from '../../api/queries';
import type { VersionsDiff } from '../../api/types';
import { at } from '../../app/paths';
import { Asked } from '../../parts/Asked';
import { FileChanges } from '../../parts/FileChanges';
import { counted, num, signed } from '../../parts/format';
import { Go } from '../../parts/Go';
import { PageOf } from '../../parts/PageOf';
import { PageHead, Panel } from '../../parts/Panel';
import { State } from '../../parts/State';
import { Table } from '../../parts/Table';
import css from './models.module.css';

const WORDS: Record<string, string> = { added: 'new', removed: 'gone', changed: 'differs' };

export default function DiffPage() {
  const { name } = useParams({ from: '/models/$name/diff' });
  const model = useQuery(ask.model(name));
  return (
    <PageOf query={model} kind="Model" name={name}>
      {() => <Whole name={name} />}
    </PageOf>
  );
}

function Whole({ name }: { name: string }) {
  const search = useSearch({ from: '/models/$name/diff' });
  const navigate = useNavigate({ from: '/models/$name/diff' });
  const versions = useQuery(ask.versions(name));
  const numbers = (versions.data ?? []).map((one) => String(one.version.number));
  const after = search.after ?? numbers[0] ?? '';
  const before = search.before ?? numbers.find((one) => Number(one) < Number(after)) ?? after;
  const change = (next: { before?: string; after?: string; path?: string }) =>
    void navigate({ search: (now) => ({ ...now, ...next }), replace: true, resetScroll: false });
  const found = useQuery({ ...ask.versionsDiff(name, before, after), enabled: !!before && !!after });
  const choose = (label: string, value: string, onSet: (to: string) => void) => (
    <NativeSelect
      size="xs"
      aria-label={label}
      value={value}
      onChange={(event) => onSet(event.currentTarget.value)}
      data={numbers.map((one) => ({ value: one, label: `Version ${one}` }))}
    />
  );
  return (
    <>
      <PageHead
        kicker={<Go href={at.model(name)}>{name}</Go>}
        title={`${name}: version ${before} against ${after}`}
        sentence="What callers see, what was set, what was measured, and which files differ."
        actions={
          numbers.length > 1 && (
            <>
              {choose('Before', before, (to) => change({ before: to, path: undefined }))}
              {choose('After', after, (to) => change({ after: to, path: undefined }))}
            </>
          )
        }
      />
      <Asked of={found} lines={10}>
        {(diff) => <Diff diff={diff} path={search.path} onPath={(path) => change({ path })} />}
      </Asked>
    </>
  );
}

function Diff({
  diff,
  path,
  onPath,
}: {
  diff: VersionsDiff;
  path: string | undefined;
  onPath: (path?: string) => void;
}) {
  const names = [String(diff.before.number), String(diff.after.number)];
  return (
    <div className="stack">
      <Panel title="Signature" flush>
        <Signature diff={diff} names={names} />
      </Panel>
      <div className="halves">
        <Panel title="Metrics" flush>
          {diff.metrics.length ? (
            <Table
              label="Metrics"
              rows={diff.metrics}
              keyOf={(one) => one.name}
              columns={[
                { name: 'Metric', cell: (one) => one.name },
                { name: `Version ${names[0]}`, num: true, cell: (one) => num(one.before) },
                { name: `Version ${names[1]}`, num: true, cell: (one) => num(one.after) },
                {
                  name: 'Change',
                  num: true,
                  cell: (one) =>
                    one.before === null || one.after === null ? (
                      '–'
                    ) : (
                      <strong>{signed(one.after - one.before, 4)}</strong>
                    ),
                },
              ]}
            />
          ) : (
            <p className={`soft ${css.none}`}>Neither run logged a metric.</p>
          )}
        </Panel>
        <Panel title="Parameters that differ" flush>
          {diff.params.length ? (
            <Table
              label="Parameters that differ"
              rows={diff.params}
              keyOf={(one) => one.name}
              columns={[
                { name: 'Parameter', cell: (one) => one.name },
                { name: `Version ${names[0]}`, cell: (one) => <span className="mono">{one.before || '–'}</span> },
                { name: `Version ${names[1]}`, cell: (one) => <span className="mono">{one.after || '–'}</span> },
              ]}
            />
          ) : (
            <p className={`soft ${css.none}`}>Both were trained with the same parameters.</p>
          )}
        </Panel>
      </div>
      <Files diff={diff} path={path} onPath={onPath} />
    </div>
  );
}

function Signature({ diff, names }: { diff: VersionsDiff; names: string[] }) {
  if (!diff.has_signatures)
    return <p className={`soft ${css.none}`}>One of the versions tells no signature, so they cannot be compared.</p>;
  if (!diff.signature.length) return <p className={`soft ${css.none}`}>Both take and give the same.</p>;
  return (
    <Table
      label="Signature"
      rows={diff.signature}
      keyOf={(one) => one.part + one.name}
      columns={[
        { name: 'Column', cell: (one) => <span className="mono">{one.name}</span> },
        { name: 'Part', cell: (one) => one.part },
        { name: `Version ${names[0]}`, cell: (one) => one.before || <span className="faint">not there</span> },
        { name: `Version ${names[1]}`, cell: (one) => one.after || <span className="faint">not there</span> },
        {
          name: 'For callers',
          cell: (one) =>
            one.breaks ? <State state="fail" word="Breaks them" /> : <State state="pass" word="Harmless" />,
        },
      ]}
    />
  );
}

function Files({
  diff,
  path,
  onPath,
}: {
  diff: VersionsDiff;
  path: string | undefined;
  onPath: (path?: string) => void;
}) {
  const { changes, same_count } = diff.files;
  return (
    <Panel title="Files" aside={<span className="faint">{counted(same_count, 'file')} the same</span>} flush>
      {changes.length === 0 && <p className={`soft ${css.none}`}>No file differs by content.</p>}
      <FileChanges
        of={changes}
        words={WORDS}
        path={path}
        onPath={onPath}
        text={(file) =>
          ask.versionsText(diff.before.model, String(diff.before.number), String(diff.after.number), file)
        }
      />
    </Panel>
  );
}
