import type { ReactNode } from 'react';
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
      <div className={`${css.panelBody} ${flush ? css.flush : ''}`}>{children}</div>
    </section>
  );
}

interface PageHeadProps {
  kicker?: ReactNode;
  title: ReactNode;
  sentence?: ReactNode;
  marks?: ReactNode;
  actions?: ReactNode;
}

/** The head of every page: its one h1, what it is about in a sentence, and what can be done. */
export function PageHead({ kicker, title, sentence, marks, actions }: PageHeadProps) {
  return (
    <header className={css.pageHead}>
      <div style={{ minWidth: 0 }}>
        {kicker && <span className={css.kicker}>{kicker}</span>}
        <div className="row">
          <h1>{title}</h1>
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
