import type { DatasetVersion } from '../../api/types';
import { Code } from '../../parts/Code';
import { counted } from '../../parts/format';
import { Panel } from '../../parts/Panel';
import { State } from '../../parts/State';
import css from './data.module.css';
import { Rows } from './Rows';

type Result = NonNullable<NonNullable<DatasetVersion['audit']>['results']>[number];

/** What the checks of a version gave: those that failed with some of their rows, and how to publish it all the same. */
export function Checks({ version }: { version: DatasetVersion }) {
  const audit = version.audit;
  if (!audit) return null;
  const results = audit.results ?? [];
  const failed = results.filter((result) => result.outcome !== 'pass');
  const passed = results.filter((result) => result.outcome === 'pass');
  return (
    <Panel
      title="Checks"
      aside={
        <>
          <State state={audit.state} word={WORDS[audit.state]} />
          <span className="faint">{`by contract ${audit.number}`}</span>
        </>
      }
      flush
    >
      {audit.state === 'waiting' && (
        <p className={css.note}>A worker checks it; until then it is a draft, and main stays where it is.</p>
      )}
      {audit.why && <p className={css.note}>{audit.why}</p>}
      <ul>
        {failed.map((result) => (
          <Failed key={result.check} of={result} />
        ))}
      </ul>
      {passed.length > 0 && (
        <details className={css.passed}>
          <summary>{counted(passed.length, 'check')} passed</summary>
          <ul>
            {passed.map((result) => (
              <li key={result.check}>
                <State state="pass" word="" plain /> <span className="mono">{result.check}</span>{' '}
                <span className="soft">{result.detail}</span>
              </li>
            ))}
          </ul>
        </details>
      )}
      {version.state === 'quarantined' && (
        <div className={css.override}>
          <p className="soft">Mend the data and commit it again; or answer for it:</p>
          <Code
            text={`hl data publish ${version.dataset}@${version.id} --by NAME --because REASON`}
            label="Publish it all the same"
          />
        </div>
      )}
    </Panel>
  );
}

const WORDS: Record<string, string> = {
  waiting: 'Being checked',
  passed: 'All passed',
  failed: 'Failed',
  error: 'Could not be checked',
};

function Failed({ of }: { of: Result }) {
  const sample = of.sample ?? [];
  const names = Object.keys(sample[0] ?? {});
  return (
    <li className={css.failed}>
      <p>
        <State state={of.outcome} plain /> <strong className="mono">{of.check}</strong> {of.detail}
      </p>
      {sample.length > 0 && (
        <Rows
          label={`Rows that fail ${of.check}`}
          names={names}
          rows={sample.map((row) => names.map((name) => row[name] || '–'))}
          marked={of.check.split(/,? /).slice(1)}
        />
      )}
    </li>
  );
}
