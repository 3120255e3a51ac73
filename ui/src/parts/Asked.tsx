import { Skeleton } from '@mantine/core';
import type { UseQueryResult } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { Problem } from '../api/client';
import { Code } from './Code';
import { Long } from './Long';
import css from './parts.module.css';

/** What a query found, or its skeleton, or its problem; `empty` stands in for a list without items. */
export function Asked<T>({
  of,
  children,
  empty,
  lines = 4,
}: {
  of: UseQueryResult<T>;
  children: (found: T) => ReactNode;
  empty?: ReactNode;
  lines?: number;
}) {
  if (of.data !== undefined) {
    if (empty && Array.isArray(of.data) && of.data.length === 0) return empty;
    return children(of.data);
  }
  if (of.isError) return <ProblemBox error={of.error} />;
  return <Waiting lines={lines} />;
}

export function Waiting({ lines = 4 }: { lines?: number }) {
  return (
    <div className="tight" role="status" aria-label="Loading" style={{ padding: 14 }}>
      {Array.from({ length: lines }, (_, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the lines are all alike
        <Skeleton key={index} height={14} width={`${92 - ((index * 17) % 40)}%`} radius={4} />
      ))}
    </div>
  );
}

export function ProblemBox({ error }: { error: unknown }) {
  const hint = error instanceof Problem ? error.hint : '';
  return (
    <div role="alert" className={css.problem}>
      <strong>
        <Long text={error instanceof Error ? error.message : String(error)} />
      </strong>
      {hint && <p className="soft">{hint}</p>}
    </div>
  );
}

/** Nothing here yet: what would be, and what to type to fill it. */
export function Empty({ title, children, code }: { title: string; children?: ReactNode; code?: string }) {
  return (
    <div className={css.empty}>
      <h3>{title}</h3>
      {children && <p className="soft">{children}</p>}
      {code && <Code text={code} />}
    </div>
  );
}
