import { clock, num } from '../../parts/format';
import parts from '../../parts/parts.module.css';
import type { HeatGrid } from './heat';
import css from './monitors.module.css';

const SHOWN = 12;

/** The newest windows of the heat map in numbers. */
export function HeatTable({ grid }: { grid: HeatGrid }) {
  const first = Math.max(0, grid.windows.length - SHOWN);
  const windows = grid.windows.slice(first);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so a keyboard must reach it
    <div className={css.tableBox} tabIndex={0} role="region" aria-label="The newest windows in numbers">
      <table className={parts.table}>
        <thead>
          <tr>
            <th scope="col">Feature</th>
            {windows.map((window) => (
              <th key={window.end} scope="col" className="num">
                {clock(window.end)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {grid.columns.map((name, column) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              {windows.map((window, at) => {
                const found = grid.at(column, first + at);
                return (
                  <td
                    key={window.end}
                    className="num"
                    style={
                      found && found.severity !== 'ok' && found.severity !== 'info'
                        ? { fontWeight: 650, color: 'var(--bad)' }
                        : undefined
                    }
                  >
                    {found ? num(found.value, 3) : '–'}
                  </td>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
