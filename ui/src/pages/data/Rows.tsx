import { useEffect, useRef, useState } from 'react';
import css from './data.module.css';

interface RowsProps {
  label: string;
  names: string[];
  rows: (string | null)[][];
  /** The columns that the rows are shown for. */
  marked?: string[];
}

/** Rows of a table as they are read, each in one line; where they are wider than the page they scroll. */
export function Rows({ label, names, rows, marked = [] }: RowsProps) {
  const box = useRef<HTMLDivElement>(null);
  const [scrolls, setScrolls] = useState(false);
  useEffect(() => {
    const node = box.current;
    if (!node) return;
    const observer = new ResizeObserver(() => setScrolls(node.scrollWidth > node.clientWidth));
    observer.observe(node);
    return () => observer.disconnect();
  }, []);
  const focusable = scrolls ? { tabIndex: 0, role: 'group', 'aria-label': 'Scrolls sideways' } : {};
  return (
    <div ref={box} className={css.rowsBox} {...focusable}>
      <table className={css.preview} aria-label={label}>
        <thead>
          <tr>
            {names.map((name) => (
              <th key={name} scope="col" data-marked={marked.includes(name)}>
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((cells, row) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: the rows of a version never move
            <tr key={row}>
              {cells.map((cell, at) => (
                <td key={names[at]} data-marked={marked.includes(names[at] ?? '')}>
                  {cell || <span className="faint">{cell === null ? 'missing' : '(empty)'}</span>}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
