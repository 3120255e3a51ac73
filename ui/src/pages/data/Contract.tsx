import { useQuery } from '@tanstack/react-query';
import * as ask from '../../api/queries';
import type { ContractSpec } from '../../api/types';
import { Asked, Empty } from '../../parts/Asked';
import { num, percent, seconds } from '../../parts/format';
import { Go } from '../../parts/Go';
import { Panel } from '../../parts/Panel';
import { Table } from '../../parts/Table';
import { Ago } from '../../parts/Time';

/** What every version of a dataset has to be like, or how to say it. */
export function Contract({ name, exists }: { name: string; exists: boolean }) {
  if (exists) return <Rules name={name} />;
  return (
    <Panel title="Contract" flush>
      <Empty
        title="No contract yet"
        code={`hl data contract infer ${name} --to contract.yaml\nhl data contract set ${name} contract.yaml`}
      >
        With one, a commit is a draft until it passes its checks.
      </Empty>
    </Panel>
  );
}

function Rules({ name }: { name: string }) {
  const contract = useQuery(ask.contract(name));
  const of = contract.data;
  return (
    <Panel
      title="Contract"
      aside={
        of && (
          <span className="faint">
            {`number ${of.number}, by ${of.updated_by}, `}
            <Ago at={of.updated_at} />
            {of.loop && (
              <>
                {', from loop '}
                <Go href="/turns">{of.loop}</Go>
              </>
            )}
          </span>
        )
      }
      flush
    >
      <Asked of={contract}>
        {({ spec }) => (
          <Table
            label="Contract"
            rows={rulesOf(spec)}
            keyOf={([what]) => what}
            columns={[
              { name: 'What', cell: ([what]) => <span className="mono">{what}</span> },
              { name: 'Has to be', cell: ([, rule]) => rule },
            ]}
          />
        )}
      </Asked>
    </Panel>
  );
}

const SCHEMAS: Record<string, string> = {
  inferred: 'the columns and types of the version before',
  exact: 'the columns that are named, and no other',
};

export function rulesOf(spec: ContractSpec): [what: string, rule: string][] {
  const rules: [string, string][] = [];
  if (SCHEMAS[spec.schema]) rules.push(['schema', SCHEMAS[spec.schema] ?? '']);
  for (const column of spec.columns) {
    const parts = [
      column.type,
      typeof column.nulls === 'number' && (column.nulls ? `at most ${percent(column.nulls)} missing` : 'never missing'),
      rangeOf(column.low, column.high),
      column.allowed.length > 0 && `one of ${column.allowed.join(', ')}`,
    ].filter(Boolean);
    rules.push([column.name, parts.join('; ') || 'there']);
  }
  for (const key of spec.unique) rules.push([key.join(', '), 'unique']);
  const rows = rangeOf(spec.min_rows, spec.max_rows);
  if (rows) rules.push(['rows', rows]);
  if (typeof spec.rows_change === 'number')
    rules.push(['change of rows', `at most ${percent(spec.rows_change)} against the version before`]);
  if (typeof spec.drift === 'number')
    rules.push(['distribution', `PSI of at most ${num(spec.drift)} against the version before`]);
  for (const [column, age] of Object.entries(spec.fresh ?? {}))
    rules.push([column, `newest at most ${seconds(age)} old`]);
  for (const [query, text] of Object.entries(spec.sql ?? {})) rules.push([query, `no row: ${text}`]);
  return rules;
}

function rangeOf(low: number | string | null | undefined, high: number | string | null | undefined): string {
  const written = (value: number | string) => (typeof value === 'number' ? num(value) : value);
  const has = (value: number | string | null | undefined): value is number | string =>
    value !== null && value !== undefined;
  if (has(low) && has(high)) return `${written(low)} to ${written(high)}`;
  if (has(low)) return `at least ${written(low)}`;
  return has(high) ? `at most ${written(high)}` : '';
}
