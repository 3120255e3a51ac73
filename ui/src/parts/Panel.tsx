import { type ReactNode, useEffect, useRef, useState } from 'react';
import { titleOf } from '../app/title';
import css from './parts.module.css';

interface PanelProps {
  title?: ReactNode;
  aside?: ReactNode;
  flush?: boolean;
  children: ReactNode;
  label?: string;
}

export function Panel({ title, aside, flush = false, children, label }: PanelProps) {
  return (
    <section className={css.panel} aria-label={label ?? (typeof title === 'string' ? title : undefined)}>
      {title !== undefined && (
        <header className={css.panelHead}>
          <h2>{title}</h2>
          {aside && <div className="row">{aside}</div>}
        </header>
      )}
      {flush ? <Scroller>{children}</Scroller> : <div className={css.panelBody}>{children}</div>}
    </section>
  );
}

/** A body as wide as its panel; where its content is wider, the keyboard reaches it and scrolls it. */
function Scroller({ children }: { children: ReactNode }) {
  const body = useRef<HTMLDivElement>(null);
  const [scrolls, setScrolls] = useState(false);
  useEffect(() => {
    const node = body.current;
    if (!node) return;
    const measure = () => setScrolls(node.scrollWidth > node.clientWidth);
    const observer = new ResizeObserver(measure);
    observer.observe(node);
    for (const child of node.children) observer.observe(child);
    return () => observer.disconnect();
  });
  const focusable = scrolls ? { tabIndex: 0, role: 'group', 'aria-label': 'Scrolls sideways' } : {};
  return (
    <div ref={body} className={`${css.panelBody} ${css.flush}`} {...focusable}>
      {children}
    </div>
  );
}

interface PageHeadProps {
  kicker?: ReactNode;
  title: ReactNode;
  sentence?: ReactNode;
  marks?: ReactNode;
  actions?: ReactNode;
}

/** The head of every page: its one h1, which names the browser's tab too, what it is about in a sentence, and what can be done. */
export function PageHead({ kicker, title, sentence, marks, actions }: PageHeadProps) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = titleOf(heading.current?.textContent ?? '', location.pathname);
  });
  return (
    <header className={css.pageHead}>
      <div style={{ minWidth: 0 }}>
        {kicker && <span className={css.kicker}>{kicker}</span>}
        <div className="row">
          <h1 ref={heading}>{title}</h1>
          {marks}
        </div>
        {sentence && <p className={css.sentence}>{sentence}</p>}
      </div>
      {actions && <div className="row">{actions}</div>}
    </header>
  );
}

export type Fact = [name: string, value: ReactNode] | false | null | undefined | '' | 0;

export function Facts({ of }: { of: Fact[] }) {
  return (
    <dl className={css.facts}>
      {of.map(
        (fact) =>
          fact && (
            <div key={fact[0]} style={{ display: 'contents' }}>
              <dt>{fact[0]}</dt>
              <dd>{fact[1]}</dd>
            </div>
          ),
      )}
    </dl>
  );
}

export function Figures({ of }: { of: Fact[] }) {
  return (
    <dl className={css.figures}>
      {of.map(
        (fact) =>
          fact && (
            <div key={fact[0]} className={css.figure}>
              <dt>{fact[0]}</dt>
              <dd>{fact[1]}</dd>
            </div>
          ),
      )}
    </dl>
  );
}
