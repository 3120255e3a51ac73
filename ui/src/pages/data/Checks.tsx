import type { DatasetVersion } from '../../api/types';
import { Code } from '../../parts/Code';
import { Panel } from '../../parts/Panel';
import { State } from '../../parts/State';
import { Table } from '../../parts/Table';

/** What the checks of a version gave, with some of the rows that failed them, and how to publish it all the same. */
export function Checks({ version }: { version: DatasetVersion }) {
  const audit = version.audit;
  if (!audit) return null;
  const results = audit.results ?? [];
  const failing = results.flatMap((result) =>
    (result.sample ?? []).map((row) => ({ check: result.check, text: rowText(row) })),
  );
  return (
    <Panel title="Checks" aside={<span className="faint">{`contract ${audit.number}: ${audit.state}`}</span>} flush>
      {audit.why && (
        <p className="soft" style={{ padding: 14 }}>
          {audit.why}
        </p>
      )}
      {results.length > 0 && (
        <Table
          label="Checks"
          rows={results}
          keyOf={(result) => result.check}
          columns={[
            { name: 'Result', cell: (result) => <State state={result.outcome} plain /> },
            { name: 'Check', cell: (result) => <span className="mono">{result.check}</span> },
            { name: 'What was seen', cell: (result) => result.detail },
          ]}
        />
      )}
      {failing.length > 0 && (
        <Table
          label="Rows that fail"
          rows={failing}
          keyOf={(row) => `${row.check} ${row.text}`}
          columns={[
            { name: 'Check', cell: (row) => <span className="mono">{row.check}</span> },
            { name: 'A row that fails it', cell: (row) => <span className="mono">{row.text}</span> },
          ]}
        />
      )}
      {version.state === 'quarantined' && (
        <div style={{ padding: 14 }}>
          <Code
            text={`hl data publish ${version.dataset}@${version.id} --by NAME --because REASON`}
            label="Publish it all the same"
          />
        </div>
      )}
    </Panel>
  );
}

const rowText = (row: Record<string, string>): string =>
  Object.entries(row)
    .map(([name, value]) => `${name}=${value}`)
    .join(', ');
