import { useQuery } from '@tanstack/react-query';
import type * as ask from '../api/queries';
import { Asked } from './Asked';
import { DiffText } from './DiffText';
import { bytes } from './format';
import css from './parts.module.css';

const TEXT = /\.(txt|md|py|json|ya?ml|toml|cfg|ini|csv|tsv|log|sh|sql|r|js|ts|html|xml|patch|diff)$|^(MLmodel|[^.]+)$/i;

interface Change {
  path: string;
  change: string;
  before_size: number;
  after_size: number;
}

interface FileChangesProps {
  of: Change[];
  /** What a change is called here. */
  words: Record<string, string>;
  /** The file that is open. */
  path: string | undefined;
  onPath: (path: string | undefined) => void;
  /** How the lines that differ are asked for. */
  text: (path: string) => ReturnType<typeof ask.textDiff>;
}

/** Files that differ; a text opens to the lines that do. */
export function FileChanges({ of, words, path, onPath, text }: FileChangesProps) {
  return (
    <ul className={css.files}>
      {of.map((file) => (
        <li key={file.path}>
          {TEXT.test(file.path.split('/').at(-1) ?? '') ? (
            <button
              type="button"
              className="mono"
              aria-expanded={path === file.path}
              onClick={() => onPath(path === file.path ? undefined : file.path)}
            >
              {file.path}
            </button>
          ) : (
            <span className="mono">{file.path}</span>
          )}
          <span className="soft">{words[file.change] ?? file.change}</span>
          <span className="num faint">
            {size(file.before_size)} → {size(file.after_size)}
          </span>
          {path === file.path && <Lines path={path} text={text} />}
        </li>
      ))}
    </ul>
  );
}

const size = (count: number) => (count < 0 ? '–' : bytes(count));

function Lines({ path, text }: Pick<FileChangesProps, 'text'> & { path: string }) {
  const found = useQuery(text(path));
  return (
    <div className={css.fileText}>
      <Asked of={found}>{(diff) => <DiffText lines={diff.lines} label={`How ${path} differs`} />}</Asked>
    </div>
  );
}
