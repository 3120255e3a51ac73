import { useQuery } from '@tanstack/react-query';
import { type ReactNode, useState } from 'react';
import { api, seg } from '../../api/client';
import * as ask from '../../api/queries';
import type { Entry, Preview } from '../../api/types';
import { Asked, Waiting } from '../../parts/Asked';
import { bytes, counted } from '../../parts/format';
import { Icon, type IconName } from '../../parts/Icon';
import { Markdown } from '../../parts/Markdown';
import { Panel } from '../../parts/Panel';
import { Table } from '../../parts/Table';
import css from './run.module.css';

interface ArtifactsProps {
  runId: string;
  path: string | undefined;
  onPath: (path: string | undefined) => void;
}

/** The files of a run as a tree, and the chosen one beside it. What was uploaded is shown as data, never as markup. */
export function Artifacts({ runId, path, onPath }: ArtifactsProps) {
  const found = useQuery(ask.artifacts(runId));
  return (
    <Panel title="Artifacts" flush>
      <Asked
        of={found}
        lines={3}
        empty={
          <p className="soft" style={{ padding: 14 }}>
            This run kept no file.
          </p>
        }
      >
        {(entries) => (
          <div className={css.browser}>
            <nav className={css.tree} aria-label="Files">
              <Folder runId={runId} entries={entries} base="" path={path} onPath={onPath} />
            </nav>
            {path ? (
              <File key={path} runId={runId} path={path} />
            ) : (
              <p className="soft" style={{ padding: 14 }}>
                Choose a file to look into it.
              </p>
            )}
          </div>
        )}
      </Asked>
    </Panel>
  );
}

interface FolderProps extends ArtifactsProps {
  entries: Entry[];
  base: string;
}

function Folder({ runId, entries, base, path, onPath }: FolderProps) {
  return (
    <ul>
      {entries.map((entry) => {
        const full = base + entry.path;
        if (entry.is_dir)
          return <Branch key={full} runId={runId} name={entry.path} base={full} path={path} onPath={onPath} />;
        return (
          <li key={full}>
            <button type="button" aria-current={full === path} onClick={() => onPath(full === path ? undefined : full)}>
              <Icon name={iconOf(entry.path)} size={13} />
              <span className="cut">{entry.path}</span>
              <span className="faint nowrap">{bytes(entry.size ?? 0)}</span>
            </button>
          </li>
        );
      })}
    </ul>
  );
}

function Branch({ name, base, runId, path, onPath }: ArtifactsProps & { name: string; base: string }) {
  const [open, setOpen] = useState(path?.startsWith(`${base}/`) ?? false);
  const found = useQuery({ ...ask.artifacts(runId, base), enabled: open });
  return (
    <li>
      <button type="button" aria-expanded={open} onClick={() => setOpen(!open)}>
        <Icon name="folder" size={13} />
        <span className="cut">{name}</span>
        <span className="faint">
          <Icon name={open ? 'more' : 'arrow'} size={11} />
        </span>
      </button>
      {open && found.data && (
        <Folder runId={runId} entries={found.data} base={`${base}/`} path={path} onPath={onPath} />
      )}
      {open && found.isPending && <Waiting lines={1} />}
    </li>
  );
}

function iconOf(name: string): IconName {
  if (/\.(png|jpe?g|gif|webp|svg|bmp)$/i.test(name)) return 'image';
  return /\.(csv|tsv|parquet)$/i.test(name) ? 'table' : 'file';
}

function File({ runId, path }: { runId: string; path: string }) {
  const found = useQuery({ ...ask.preview(runId, path), refetchInterval: false });
  const base = `/runs/${seg(runId)}/artifacts`;
  return (
    <section className={css.file} aria-label={path}>
      <header className={css.fileHead}>
        <span className="mono" style={{ overflowWrap: 'anywhere' }}>
          {path}
        </span>
        <span className="row">
          {found.data && <span className="faint nowrap">{bytes(found.data.size)}</span>}
          <a href={api(`${base}/download`, { path })} download={path.split('/').at(-1)}>
            Download
          </a>
        </span>
      </header>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so a keyboard must reach it */}
      <div className={css.content} tabIndex={0} role="region" aria-label="Content">
        <Asked of={found} lines={6}>
          {(shown) => (
            <>
              {shown.note && <p className="soft">{shown.note}</p>}
              <Content of={shown} image={api(`${base}/image`, { path })} />
              {shown.cut && <p className="faint">Only its beginning is shown; download it to see all.</p>}
            </>
          )}
        </Asked>
      </div>
    </section>
  );
}

function Picture({ src, name }: { src: string; name: string }) {
  const [broken, setBroken] = useState(false);
  if (broken) return <p className="soft">This picture cannot be shown. Download it to look at what it is.</p>;
  return <img src={src} alt={name} onError={() => setBroken(true)} />;
}

function Content({ of, image }: { of: Preview; image: string }): ReactNode {
  switch (of.kind) {
    case 'image':
      return <Picture key={image} src={image} name={of.path} />;
    case 'table':
      return <TableOf of={of} />;
    case 'notebook':
      return (
        <div className={css.cells}>
          {of.cells?.map((cell, index) =>
            cell.kind === 'markdown' ? (
              // biome-ignore lint/suspicious/noArrayIndexKey: the cells never move
              <Markdown key={index} text={cell.source} />
            ) : (
              // biome-ignore lint/suspicious/noArrayIndexKey: the cells never move
              <div key={index} className="tight">
                <pre>{cell.source}</pre>
                {cell.output && <pre data-kind="output">{cell.output}</pre>}
              </div>
            ),
          )}
        </div>
      );
    case 'json':
      return <pre className={css.plain}>{pretty(of.text ?? '')}</pre>;
    case 'text':
      if (/\.(md|markdown)$/i.test(of.path))
        return (
          <div style={{ padding: 14 }}>
            <Markdown text={of.text ?? ''} />
          </div>
        );
      return <pre className={css.plain}>{of.text || 'The file is empty.'}</pre>;
    default:
      return of.note ? null : (
        <p className="soft">This is no text, table or image. Download it to open it elsewhere.</p>
      );
  }
}

function pretty(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

function TableOf({ of }: { of: Preview }) {
  const rows = (of.rows ?? []).map((cells, index) => ({ cells, index }));
  return (
    <>
      <Table
        label={of.path}
        rows={rows}
        keyOf={(row) => String(row.index)}
        columns={(of.columns ?? []).map((name, place) => ({
          name: name || `column ${place + 1}`,
          cell: (row: { cells: string[] }) => row.cells[place] ?? '',
        }))}
      />
      <p className="faint">
        {of.row_count === null || of.row_count === undefined
          ? `The first ${counted(rows.length, 'row')}`
          : `${counted(rows.length, 'row')} of ${of.row_count.toLocaleString('en')}`}
        , {counted(of.columns?.length ?? 0, 'column')}
      </p>
    </>
  );
}
