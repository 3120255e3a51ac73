import { useQuery } from '@tanstack/react-query';
import * as ask from '../../api/queries';
import type { Run } from '../../api/types';
import { Asked, Empty } from '../../parts/Asked';
import { DiffText } from '../../parts/DiffText';
import { FileChanges } from '../../parts/FileChanges';
import { counted } from '../../parts/format';
import { Panel } from '../../parts/Panel';
import css from './compare.module.css';
import { patchOf } from './differ';

const WORDS: Record<string, string> = { added: 'only in the second', removed: 'only in the first', changed: 'differs' };

interface FilesDiffProps {
  before: Run;
  after: Run;
  path: string | undefined;
  onPath: (path: string | undefined) => void;
}

/** Which files of the first two runs differ, and how a text among them does. */
export function FilesDiff({ before, after, path, onPath }: FilesDiffProps) {
  const found = useQuery(ask.filesDiff(before.run_id, after.run_id));
  return (
    <Panel
      title="Files"
      aside={
        <span className="faint">
          {before.name} against {after.name}
        </span>
      }
      flush
    >
      <Asked of={found} lines={3}>
        {({ changes, same_count }) => (
          <>
            {changes.length === 0 && (
              <Empty title="No file differs">{counted(same_count, 'file')} are the same by content.</Empty>
            )}
            <FileChanges
              of={changes}
              words={WORDS}
              path={path}
              onPath={onPath}
              text={(file) => ask.textDiff(before.run_id, after.run_id, file)}
            />
            {changes.length > 0 && same_count > 0 && (
              <p className={`faint ${css.none}`}>{counted(same_count, 'file')} the same by content.</p>
            )}
          </>
        )}
      </Asked>
    </Panel>
  );
}

const FACTS: [name: string, tags: string[]][] = [
  ['Commit', ['mlflow.source.git.commit', 'mlflow.git.commit']],
  ['Branch', ['mlflow.source.git.branch', 'mlflow.git.branch']],
  ['Repository', ['mlflow.source.git.repoURL', 'mlflow.git.repo_url']],
  ['Source', ['mlflow.source.name']],
  ['Step', ['helicline.step']],
];

/** From which code the first two runs came, and what was changed in it without a commit. */
export function CodeDiff({ before, after }: { before: Run; after: Run }) {
  const tag = (run: Run, names: string[]) => names.map((name) => run.tags?.[name]).find(Boolean);
  const facts = FACTS.map(([name, tags]) => ({ name, old: tag(before, tags), new: tag(after, tags) })).filter(
    (fact) => fact.old || fact.new,
  );
  const patches = [before, after].map(patchOf);
  return (
    <Panel
      title="Code"
      aside={
        <span className="faint">
          {before.name} against {after.name}
        </span>
      }
      flush
    >
      {facts.length === 0 && <p className={`soft ${css.none}`}>Neither run says from which code it came.</p>}
      {facts.length > 0 && (
        <dl className={css.code}>
          {facts.map((fact) => (
            <div key={fact.name} data-differs={fact.old !== fact.new}>
              <dt>{fact.name}</dt>
              <dd className="mono">{fact.old ?? '–'}</dd>
              <dd className="mono">{fact.old === fact.new ? 'the same' : (fact.new ?? '–')}</dd>
            </div>
          ))}
        </dl>
      )}
      {[before, after].map(
        (run, index) =>
          patches[index] && (
            <div key={run.run_id} className={css.patch}>
              <p className="soft">Not committed when {run.name} began</p>
              <DiffText lines={(patches[index] ?? '').split('\n')} label={`Not committed when ${run.name} began`} />
            </div>
          ),
      )}
    </Panel>
  );
}
