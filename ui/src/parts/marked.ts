/** A small part of Markdown as blocks and inlines. Nothing becomes markup of ours, and only web links are links. */

export interface Block {
  kind: 'heading' | 'text' | 'bullets' | 'numbers' | 'code';
  lines: string[];
}

export interface Inline {
  kind: 'text' | 'strong' | 'em' | 'code' | 'link';
  text: string;
  href?: string;
}

export function blocksOf(text: string): Block[] {
  const blocks: Block[] = [];
  let open: Block | undefined;
  const put = (kind: Block['kind'], line: string) => {
    if (open?.kind === kind && kind !== 'heading') open.lines.push(line);
    else {
      open = { kind, lines: [line] };
      blocks.push(open);
    }
  };
  let fenced = false;
  for (const line of text.split('\n')) {
    if (/^\s*```/.test(line)) {
      fenced = !fenced;
      open = undefined;
    } else if (fenced) put('code', line);
    else if (!line.trim()) open = undefined;
    else if (/^#{1,6}\s/.test(line)) put('heading', line.replace(/^#+\s+/, ''));
    else if (/^\s*[-*+]\s+/.test(line)) put('bullets', line.replace(/^\s*[-*+]\s+/, ''));
    else if (/^\s*\d+[.)]\s+/.test(line)) put('numbers', line.replace(/^\s*\d+[.)]\s+/, ''));
    else put('text', line.trim());
  }
  return blocks;
}

const INLINE =
  /\*\*(?<strong>[^*]+)\*\*|\x60(?<code>[^\x60]+)\x60|[*_](?<em>[^*_]+)[*_]|\[(?<text>[^\]]+)\]\((?<href>[^)\s]+)\)/g;

export function inlinesOf(line: string): Inline[] {
  const found: Inline[] = [];
  let end = 0;
  for (const match of line.matchAll(INLINE)) {
    if (match.index > end) found.push({ kind: 'text', text: line.slice(end, match.index) });
    end = match.index + match[0].length;
    found.push(inlineOf(match[0], match.groups ?? {}));
  }
  if (end < line.length) found.push({ kind: 'text', text: line.slice(end) });
  return found;
}

function inlineOf(whole: string, groups: Record<string, string | undefined>): Inline {
  if (groups.strong) return { kind: 'strong', text: groups.strong };
  if (groups.code) return { kind: 'code', text: groups.code };
  if (groups.em) return { kind: 'em', text: groups.em };
  if (groups.text && /^https?:\/\//i.test(groups.href ?? ''))
    return { kind: 'link', text: groups.text, href: groups.href };
  return { kind: 'text', text: whole };
}
