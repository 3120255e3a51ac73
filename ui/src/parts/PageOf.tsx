import { Button } from '@mantine/core';
import type { UseQueryResult } from '@tanstack/react-query';
import { useLocation } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { Problem } from '../api/client';
import { crumbsOf } from '../app/crumbs';
import { ProblemBox, Waiting } from './Asked';
import { Go } from './Go';
import { PageHead } from './Panel';

interface PageOfProps<T> {
  query: UseQueryResult<T>;
  kind: string;
  name: string;
  children: (value: T) => ReactNode;
}

/** A page about one object; while it loads, is missing or cannot be read, a heading of its own and the way back. */
export function PageOf<T>({ query, kind, name, children }: PageOfProps<T>) {
  if (query.data !== undefined) return children(query.data);
  if (!query.isError) return <PageWaiting kicker={kind} title={name} />;
  if (query.error instanceof Problem && query.error.status === 404)
    return (
      <>
        <PageHead
          kicker="404"
          title={`There is no ${kind.toLowerCase()} ${name}`}
          sentence="It was deleted, or the address is wrong."
        />
        <WayBack kind={kind} />
      </>
    );
  return (
    <>
      <PageHead kicker={kind} title={name} />
      <div className="stack">
        <ProblemBox error={query.error} />
        <div className="row">
          <Button size="compact-sm" variant="default" onClick={() => void query.refetch()}>
            Try again
          </Button>
          <WayBack kind={kind} />
        </div>
      </div>
    </>
  );
}

/** A heading over the lines that stand for what is loading. */
export function PageWaiting({ kicker, title }: { kicker?: string; title?: string }) {
  const { pathname } = useLocation();
  return (
    <>
      <PageHead kicker={kicker} title={title ?? crumbsOf(pathname).at(-1)?.name} />
      <Waiting lines={12} />
    </>
  );
}

function WayBack({ kind }: { kind: string }) {
  const { pathname } = useLocation();
  const [home, list, ...below] = crumbsOf(pathname);
  const above = (kind === 'Version' && below[0]) || list || home;
  if (!above) return null;
  return (
    <p>
      <Go href={above.href}>Back to {above.name}</Go>
    </p>
  );
}
