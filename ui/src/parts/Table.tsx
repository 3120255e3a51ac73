import type { ReactNode } from 'react';
import css from './parts.module.css';
import { useRowKeys } from './rowKeys';

export interface Column<T> {
  name: ReactNode;
  cell: (row: T) => ReactNode;
  num?: boolean;
  width?: string;
  /** Left out where the page is narrow: what explains the others. */
  wide?: boolean;
}

const classOf = <T,>({ num, wide }: Column<T>) =>
  [num && 'num', wide && css.wide].filter(Boolean).join(' ') || undefined;

interface TableProps<T> {
  rows: T[];
  columns: Column<T>[];
  keyOf: (row: T) => string;
  label: string;
  hrefOf?: (row: T) => string;
}

/** A plain table for lists of up to a few hundred rows; J and K walk it, Enter opens. */
export function Table<T>({ rows, columns, keyOf, label, hrefOf }: TableProps<T>) {
  const [current] = useRowKeys(
    rows.length,
    (index) => (rows[index] && hrefOf ? hrefOf(rows[index]) : undefined),
    !!hrefOf,
  );
  return (
    <table className={css.table} aria-label={label}>
      <thead>
        <tr>
          {columns.map((column, index) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: columns never move
            <th key={index} scope="col" className={classOf(column)} style={{ width: column.width }}>
              {column.name}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map((row, at) => (
          <tr key={keyOf(row)} data-row="" data-current={at === current}>
            {columns.map((column, index) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: columns never move
              <td key={index} className={classOf(column)}>
                {column.cell(row)}
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
