import { Button, TextInput } from '@mantine/core';
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import { get } from '../api/client';
import { pollInterval } from '../api/live';
import * as ask from '../api/queries';
import type { Event, Page } from '../api/types';
import { pageOf } from '../app/paths';
import { Asked, Empty } from '../parts/Asked';
import { clock, counted, moment } from '../parts/format';
import { Go } from '../parts/Go';
import { PageHead, Panel } from '../parts/Panel';
import { State } from '../parts/State';
import { Table } from '../parts/Table';

const PAGE = 100;

export default function AuditPage() {
  const { noun = '', filter = '' } = useSearch({ from: '/audit' });
  const events = useInfiniteQuery({
    queryKey: ['events', noun, filter],
    queryFn: ({ pageParam, signal }) =>
      get<Page<Event>>('/events', { noun, id: filter, before: pageParam || undefined, limit: PAGE }, signal),
    initialPageParam: 0,
    getNextPageParam: (last) => Number(last.next) || undefined,
    refetchInterval: pollInterval,
  });
  return (
    <>
      <PageHead
        title="Audit"
        marks={<Chain />}
        sentence="Every change is one event, chained to the one before by its hash; who, what, when, and the numbers."
      />
      <div className="stack">
        <Filters noun={noun} id={filter} />
        <Panel label="Events" flush>
          <Asked of={events} lines={14}>
            {({ pages }) => {
              const rows = pages.flatMap((page) => page.items);
              return rows.length ? <Events rows={rows} /> : <Empty title="No event matches" />;
            }}
          </Asked>
        </Panel>
        {events.hasNextPage && (
          <div>
            <Button
              size="compact-sm"
              variant="default"
              loading={events.isFetchingNextPage}
              onClick={() => events.fetchNextPage()}
            >
              Older events
            </Button>
          </div>
        )}
      </div>
    </>
  );
}

function Chain() {
  const audit = useQuery({ ...ask.audit(), refetchInterval: false, staleTime: 30_000 });
  if (!audit.data) return <State state="PENDING" word="Walking the chain" />;
  const { ok, events, broken_at, why } = audit.data;
  return ok ? (
    <State state="pass" word={`Chain verified, ${counted(events, 'event')}`} />
  ) : (
    <State state="fail" word={`Chain broken at ${broken_at}: ${why}`} />
  );
}

function Filters({ noun, id }: { noun: string; id: string }) {
  const navigate = useNavigate({ from: '/audit' });
  const [text, setText] = useState({ noun, id });
  useEffect(() => setText({ noun, id }), [noun, id]);
  const set = () =>
    navigate({ search: { noun: text.noun.trim() || undefined, filter: text.id.trim() || undefined }, replace: true });
  return (
    <form
      className="row"
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        void set();
      }}
    >
      <TextInput
        size="xs"
        data-filter=""
        aria-label="Noun"
        placeholder="Noun, like turn or rollout"
        value={text.noun}
        onChange={(event) => setText({ ...text, noun: event.currentTarget.value })}
        onBlur={set}
      />
      <TextInput
        size="xs"
        w={260}
        aria-label="Id"
        placeholder="Id, like digits~2"
        value={text.id}
        onChange={(event) => setText({ ...text, id: event.currentTarget.value })}
        onBlur={set}
      />
      <Button type="submit" size="compact-sm" variant="default">
        Filter
      </Button>
    </form>
  );
}

function Events({ rows }: { rows: Event[] }) {
  return (
    <Table
      label="Events"
      rows={rows}
      keyOf={(one) => String(one.seq)}
      columns={[
        { name: 'Seq', num: true, width: '1%', cell: (one) => <span className="faint">{one.seq}</span> },
        {
          name: 'When',
          width: '1%',
          cell: (one) => (
            <time dateTime={one.at} title={moment(one.at)}>
              {clock(one.at)}
            </time>
          ),
        },
        { name: 'Who', width: '1%', cell: (one) => <span className="nowrap">{one.actor}</span> },
        {
          name: 'What',
          cell: (one) => {
            const href = pageOf(one.noun, one.id);
            return (
              <>
                {one.verb.replaceAll('_', ' ')} <span className="soft">{one.noun.replaceAll('_', ' ')}</span>{' '}
                {href ? (
                  <Go href={href} className="mono">
                    {one.id}
                  </Go>
                ) : (
                  <span className="mono">{one.id}</span>
                )}
              </>
            );
          },
        },
        {
          name: 'Detail',
          width: '42%',
          cell: (one) => (
            <span className="soft" style={{ overflowWrap: 'anywhere' }}>
              {detailOf(one)}
            </span>
          ),
        },
        {
          name: 'Hash',
          width: '1%',
          cell: (one) => (
            <span className="mono faint" title={one.hash}>
              {one.hash.slice(0, 8)}
            </span>
          ),
        },
      ]}
    />
  );
}

function detailOf(event: Event): string {
  const said = Object.entries(event.detail ?? {})
    .filter(([, value]) => value !== '' && value !== null)
    .map(
      ([key, value]) =>
        `${key.replaceAll('_', ' ')} ${typeof value === 'object' ? JSON.stringify(value) : String(value)}`,
    )
    .join(', ');
  return said.length > 240 ? `${said.slice(0, 240)}…` : said;
}
