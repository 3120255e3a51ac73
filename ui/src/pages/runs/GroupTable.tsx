import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { get } from '../../api/client';
import type { Groups, RunGroup } from '../../api/types';
import { Asked, Empty } from '../../parts/Asked';
import { counted, num } from '../../parts/format';
import { Panel } from '../../parts/Panel';
import { Table } from '../../parts/Table';
import { Ago } from '../../parts/Time';
import type { RunColumn } from './columns';
import { quoted } from './complete';
import css from './runs.module.css';

interface GroupTableProps {
  by: string;
  /** `by` as the filter writes it. */
  clauseKey: string;
  asked: { experiment?: string; filter?: string; view: string };
  metrics: RunColumn[];
  /** False while it is not known yet which metrics there are. */
  ready: boolean;
  onOpen: (clause: string) => void;
}

/** The runs gathered by what they share, with the span of each metric; a group opens as a filter. */
export function GroupTable({ by, clauseKey, asked, metrics, ready, onOpen }: GroupTableProps) {
  const column = metrics.map((one) => one.id);
  const groups = useQuery({
    queryKey: ['runs', 'groups', by, asked, column],
    queryFn: ({ signal }) => get<Groups>('/runs/groups', { by, ...asked, column }, signal),
    placeholderData: keepPreviousData,
    enabled: ready,
  });
  const clauseOf = (group: RunGroup) =>
    group.value === null ? `${clauseKey} IS NULL` : `${clauseKey} = ${quoted(group.value)}`;
  return (
    <Asked of={groups} lines={8}>
      {(found) =>
        found.items.length === 0 ? (
          <Empty title="No run matches the filter" />
        ) : (
          <>
            <Panel label={`Runs by ${by}`} flush>
              <Table
                label={`Runs by ${by}`}
                rows={found.items}
                keyOf={(group) => String(group.value)}
                columns={[
                  {
                    name: by.replace(/^\w+\./, ''),
                    cell: (group) => (
                      <button type="button" className={css.link} onClick={() => onOpen(clauseOf(group))}>
                        {group.value ?? <em className="soft">without it</em>}
                      </button>
                    ),
                  },
                  { name: 'Runs', num: true, cell: (group) => group.count.toLocaleString('en') },
                  { name: 'Newest', num: true, cell: (group) => <Ago at={group.newest} /> },
                  ...metrics.map((metric, index) => ({
                    name: metric.name,
                    num: true,
                    cell: (group: RunGroup) => <Span of={group.metrics[index]} />,
                  })),
                ]}
              />
            </Panel>
            <p className={css.foot}>
              {counted(found.group_count, 'group')}
              {found.group_count > found.items.length && `, the largest ${found.items.length} shown`}. A metric is its
              mean, with the least and greatest below.
            </p>
          </>
        )
      }
    </Asked>
  );
}

function Span({ of }: { of: RunGroup['metrics'][number] | undefined }) {
  if (!of) return <span className="faint">–</span>;
  return (
    <span className={css.span}>
      <span>{num(of.mean)}</span>
      <small className="faint">
        {num(of.low, 3)} – {num(of.high, 3)}
      </small>
    </span>
  );
}
