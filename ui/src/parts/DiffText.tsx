import css from './parts.module.css';

/** A unified diff; the sign at the beginning of a line says what its colour repeats. */
export function DiffText({ lines, label }: { lines: string[]; label: string }) {
  if (!lines.length) return <p className="soft">No line differs.</p>;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so a keyboard must reach it
    <pre className={css.diff} tabIndex={0} role="region" aria-label={label}>
      {lines.map((line, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the lines never move
        <span key={index} data-side={sideOf(line)}>
          {line || ' '}
        </span>
      ))}
    </pre>
  );
}

function sideOf(line: string): string | undefined {
  if (/^(@@|---|\+\+\+|diff |index )/.test(line)) return 'place';
  return line.startsWith('+') ? 'new' : line.startsWith('-') ? 'old' : undefined;
}
