import { Button } from '@mantine/core';
import type { UseQueryResult } from '@tanstack/react-query';
import { type ReactNode, useState } from 'react';
import type { ColumnBeside, VersionProfile } from '../../api/types';
import { Asked, Waiting } from '../../parts/Asked';
import { Distribution, Legend } from '../../parts/Distribution';
import dist from '../../parts/distribution.module.css';
import { counted, num, percent } from '../../parts/format';
import { Panel } from '../../parts/Panel';
import css from './data.module.css';

const FIRST = 30;

/** A profile when it is computed; until then that it is. */
export function Computed({
  of,
  children,
}: {
  of: UseQueryResult<VersionProfile>;
  children: (profile: VersionProfile) => ReactNode;
}) {
  return (
    <Asked of={of}>
      {(profile) =>
        profile.state === 'ready' ? (
          children(profile)
        ) : (
          <>
            <p className={css.note}>The rows are being read. What is in a large version takes some minutes, once.</p>
            <Waiting lines={4} />
          </>
        )
      }
    </Asked>
  );
}

interface ColumnsProps {
  profile: VersionProfile;
  /** What the two versions are called; without one before, the columns stand alone. */
  now: string;
  before: string;
}

/** What is in each column of a version, and what was in it before. */
export function Columns({ profile, now, before }: ColumnsProps) {
  const [all, setAll] = useState(false);
  const columns = profile.columns ?? [];
  const shown = all ? columns : columns.slice(0, FIRST);
  const basis = basisOf(profile);
  return (
    <Panel title="Columns" aside={<Legend before={before} now={now} />}>
      {basis && <p className={css.basis}>{basis}</p>}
      <div className={dist.grid}>
        {shown.map((column) => (
          <Column key={column.name} of={column} now={now} before={before} />
        ))}
      </div>
      {shown.length < columns.length && (
        <p className={css.more}>
          <Button size="compact-sm" variant="default" onClick={() => setAll(true)}>
            Show all {counted(columns.length, 'column')}
          </Button>
        </p>
      )}
    </Panel>
  );
}

/** What the numbers are taken from, where it is not every row. */
function basisOf({ read_count, row_count, is_estimated }: VersionProfile): string {
  const sampled = read_count < row_count ? `From ${num(read_count)} of ${num(row_count)} rows, chosen by chance. ` : '';
  return sampled + (is_estimated ? 'The numbers of different values are estimates.' : '');
}

function Column({ of, now, before }: { of: ColumnBeside; now: string; before: string }) {
  const written = of.family === 'times' ? momentsOf(of) : num;
  return (
    <figure className={dist.figure}>
      <figcaption>
        <span className="mono">{of.name}</span>{' '}
        <span className="faint">{(of.now?.type ?? of.before?.type ?? '').toLowerCase()}</span>
      </figcaption>
      {changeOf(of, now, before) && <p className={css.change}>{changeOf(of, now, before)}</p>}
      {of.role === 'identifier' ? (
        <p className={css.different}>Nearly every value is different</p>
      ) : (
        <Distribution
          of={of.histogram}
          before={of.histogram.reference_count ? before : ''}
          now={now}
          written={written}
        />
      )}
      <dl className={css.numbers}>
        {factsOf(of).map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </figure>
  );
}

/** That a column came, went, or is of another type. */
function changeOf(of: ColumnBeside, now: string, before: string): string {
  if (!before) return '';
  if (!of.before) return `New in ${now}`;
  if (!of.now) return `Only in ${before}`;
  return of.now.type === of.before.type ? '' : `Was ${of.before.type.toLowerCase()} in ${before}`;
}

/** The numbers of a column, with those of before where they were others. */
function factsOf({ now, before, family }: ColumnBeside): [string, string][] {
  const side = now ?? before;
  if (!side) return [];
  const old = now ? before : null;
  const pair = (value: string, then: string | undefined) =>
    then === undefined || then === value ? value : `${then} → ${value}`;
  const facts: [string, string][] = [
    ['missing', pair(percent(side.missing), old ? percent(old.missing) : undefined)],
    ['different', pair(num(side.distinct), old ? num(old.distinct) : undefined)],
  ];
  if (family === 'text') return facts;
  const rangeOf = (one: typeof side) => (one.low ? `${brief(one.low)} to ${brief(one.high)}` : 'no value');
  facts.push(['range', pair(rangeOf(side), old ? rangeOf(old) : undefined)]);
  if (typeof side.mean === 'number')
    facts.push(['mean', pair(num(side.mean), typeof old?.mean === 'number' ? num(old.mean) : undefined)]);
  const median = side.quantiles?.[2];
  if (median !== undefined)
    facts.push(['median', pair(num(median), old?.quantiles?.[2] === undefined ? undefined : num(old.quantiles[2]))]);
  return facts;
}

/** A number as people read it; times and long whole numbers as they are. */
const brief = (text: string): string => {
  const value = Number(text);
  return text.trim() !== '' && Number.isFinite(value) && Math.abs(value) < 1e15 ? num(value) : text;
};

const A_DAY = 86_400;

/** How the seconds of a column of times are written: as days, where its bins are not much finer than that. */
function momentsOf({ histogram: { bins } }: ColumnBeside): (seconds: number | null | undefined) => string {
  const span = (bins.at(-1)?.high ?? 0) - (bins[0]?.low ?? 0);
  const length = span > 3 * A_DAY ? 10 : 16;
  return (seconds) => {
    const at = new Date((seconds ?? Number.NaN) * 1000);
    return Number.isNaN(at.getTime()) ? '–' : at.toISOString().slice(0, length).replace('T', ' ');
  };
}
