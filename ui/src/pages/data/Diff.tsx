import { useQuery } from '@tanstack/react-query';
import * as ask from '../../api/queries';
import type { DatasetVersion } from '../../api/types';
import { Asked } from '../../parts/Asked';
import { bytes, counted, num, signed } from '../../parts/format';
import { State } from '../../parts/State';
import { Table } from '../../parts/Table';
import css from './data.module.css';

interface Row {
  path: string;
  kind: 'added' | 'removed' | 'changed';
  size: string;
}

const WORD = { added: ['SUCCEEDED', 'Added'], removed: ['FAILED', 'Removed'], changed: ['PAUSED', 'Changed'] } as const;

/** Rows, columns and files that two versions do not share. */
export function Diff({ name, before, after }: { name: string; before: DatasetVersion; after: DatasetVersion }) {
  const diff = useQuery(ask.diff(name, before.id, after.id));
  const names = (version: DatasetVersion) =>
    ((version.columns ?? []) as unknown as [string, string][]).map(([one]) => one);
  const fresh = names(after).filter((one) => !names(before).includes(one));
  const gone = names(before).filter((one) => !names(after).includes(one));
  const rows = (after.row_count ?? 0) - (before.row_count ?? 0);
  return (
    <Asked of={diff}>
      {({ added, removed, changed }) => {
        const list: Row[] = [
          ...added.map(([path, size]): Row => ({ path, kind: 'added', size: `+${bytes(size)}` })),
          ...removed.map(([path, size]): Row => ({ path, kind: 'removed', size: `−${bytes(size)}` })),
          ...changed.map(
            ([old, now]): Row => ({ path: now[0], kind: 'changed', size: `${bytes(old[1])} → ${bytes(now[1])}` }),
          ),
        ];
        return (
          <>
            <p className={css.sum}>
              <strong>{signed(rows, 0)} rows</strong>{' '}
              <span className="soft">
                ({num(before.row_count)} → {num(after.row_count)})
              </span>
              {', '}
              {counted(added.length, 'file')} added, {removed.length} removed, {changed.length} changed
              {fresh.length > 0 && `; new columns: ${fresh.join(', ')}`}
              {gone.length > 0 && `; columns gone: ${gone.join(', ')}`}
            </p>
            {list.length > 0 && (
              <Table
                label="Changed files"
                rows={list.slice(0, 200)}
                keyOf={(one) => one.path}
                columns={[
                  {
                    name: 'Change',
                    width: '1%',
                    cell: (one) => <State state={WORD[one.kind][0]} word={WORD[one.kind][1]} plain />,
                  },
                  { name: 'Path', cell: (one) => <span className="mono">{one.path}</span> },
                  { name: 'Size', num: true, cell: (one) => one.size },
                ]}
              />
            )}
          </>
        );
      }}
    </Asked>
  );
}
