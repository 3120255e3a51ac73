import type { ReactNode } from 'react';
import { type Block, blocksOf, type Inline, inlinesOf } from './marked';
import css from './parts.module.css';

/** Notes as people write them: headings, lists, code, emphasis and links. Markup inside is shown as text. */
export function Markdown({ text }: { text: string }) {
  return (
    <div className={css.markdown}>
      {blocksOf(text).map((block, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the blocks of a text are its order
        <Shown key={index} block={block} />
      ))}
    </div>
  );
}

function Shown({ block }: { block: Block }): ReactNode {
  if (block.kind === 'code') return <pre>{block.lines.join('\n')}</pre>;
  if (block.kind === 'heading') return <h3>{inline(block.lines.join(' '))}</h3>;
  if (block.kind === 'text') return <p>{inline(block.lines.join(' '))}</p>;
  // biome-ignore lint/suspicious/noArrayIndexKey: the lines of a list are its order
  const items = block.lines.map((line, index) => <li key={index}>{inline(line)}</li>);
  return block.kind === 'numbers' ? <ol>{items}</ol> : <ul>{items}</ul>;
}

function inline(text: string): ReactNode[] {
  // biome-ignore lint/suspicious/noArrayIndexKey: the parts of a line are its order
  return inlinesOf(text).map((part, index) => <Part key={index} of={part} />);
}

function Part({ of }: { of: Inline }): ReactNode {
  if (of.kind === 'strong') return <strong>{of.text}</strong>;
  if (of.kind === 'em') return <em>{of.text}</em>;
  if (of.kind === 'code') return <code>{of.text}</code>;
  if (of.kind === 'link')
    return (
      <a href={of.href} rel="noreferrer noopener" target="_blank">
        {of.text}
      </a>
    );
  return of.text;
}
