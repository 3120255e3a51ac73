import { useState } from 'react';
import { briefOf } from './brief';
import css from './parts.module.css';

/** A text of any length: its beginning, at most so many characters, and the whole of it on request. */
export function Long({ text, most }: { text: string; most?: number }) {
  const [open, setOpen] = useState(false);
  const brief = briefOf(text, most);
  if (brief === text.trim()) return text;
  return (
    <>
      {!open && `${brief} `}
      <button type="button" className={css.more} aria-expanded={open} onClick={() => setOpen(!open)}>
        {open ? 'less' : 'more'}
      </button>
      {open && (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so a keyboard must reach it
        <span className={css.whole} tabIndex={0} role="region" aria-label="The whole text">
          {text}
        </span>
      )}
    </>
  );
}
