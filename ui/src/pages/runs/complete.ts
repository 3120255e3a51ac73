/** What may follow in a filter at the place where one types. Pure, so that it can be tested. */
import type { RunColumn } from './columns';
import { orderKey } from './columns';

export interface Option {
  text: string;
  hint: string;
}

export interface Completion {
  /** What of the text an option takes the place of. */
  from: number;
  to: number;
  options: Option[];
  /** The parameter or tag whose values would follow, and their beginning. */
  valuesOf?: { key: string; prefix: string };
}

const ATTRIBUTES: [name: string, hint: string][] = [
  ['attributes.run_name', 'the name'],
  ['attributes.status', 'RUNNING, FINISHED, FAILED, …'],
  ['attributes.start_time', 'epoch ms'],
  ['attributes.end_time', 'epoch ms'],
  ['attributes.user_id', 'who'],
  ['attributes.run_id', 'the id'],
  ['dataset.name', 'of an input'],
];
const STATES = ['RUNNING', 'FINISHED', 'FAILED', 'KILLED', 'SCHEDULED'];
const NUMBERS = ['>', '>=', '<', '<=', '=', '!='];
const TEXTS = ['=', '!=', 'LIKE', 'ILIKE'];
const MOST = 12;
const KEY = String.raw`(?:\w+\.)?(?:\x60[^\x60]*\x60|"[^"]*"|[\w./:@-]+)`;
const OP = String.raw`(?:>=|<=|!=|=|<|>|(?:NOT\s+)?IN|I?LIKE|IS(?:\s+NOT)?\s+NULL)`;

/** Where the clause under the caret begins: after the last AND outside of quotes. */
function clauseStart(text: string): number {
  let start = 0;
  for (const found of text.matchAll(/'[^']*'?|"[^"]*"?|\x60[^\x60]*\x60?|\bAND\s+/gi)) {
    if (/^and\s/i.test(found[0])) start = found.index + found[0].length;
  }
  return start;
}

export function completion(text: string, caret: number, columns: readonly RunColumn[]): Completion {
  const before = text.slice(0, caret);
  const start = clauseStart(before);
  const clause = before.slice(start);
  const none: Completion = { from: caret, to: caret, options: [] };
  const key = /^\s*([\w./:@\x60"-]*)$/.exec(clause);
  if (key) return { from: caret - (key[1] ?? '').length, to: caret, options: keysLike(key[1] ?? '', columns) };
  const op = new RegExp(String.raw`^\s*(${KEY})\s+([<>!=]*|[A-Za-z]*)$`).exec(clause);
  if (op) return { from: caret - (op[2] ?? '').length, to: caret, options: opsLike(op[1] ?? '', op[2] ?? '') };
  const value = new RegExp(String.raw`^\s*(${KEY})\s*(?:=|!=|I?LIKE)\s*('[^']*)?$`, 'i').exec(clause);
  if (value) return valuesAt(value[1] ?? '', value[2] ?? '', caret);
  const done = new RegExp(
    String.raw`^\s*${KEY}\s*${OP}\s*(?:'[^']*'|"[^"]*"|[-+.\deE]+|\([^)]*\))?\s+(\w*)$`,
    'i',
  ).exec(clause);
  if (done && 'AND'.startsWith((done[1] ?? '').toUpperCase()))
    return { from: caret - (done[1] ?? '').length, to: caret, options: [{ text: 'AND ', hint: 'another condition' }] };
  return none;
}

function keysLike(typed: string, columns: readonly RunColumn[]): Option[] {
  const words = typed.replace(/[\x60"]/g, '').toLowerCase();
  const all: Option[] = [
    ...columns.map((one) => ({ text: orderKey(one), hint: one.seen ? `${one.seen} of the newest` : 'in other runs' })),
    ...ATTRIBUTES.map(([text, hint]) => ({ text, hint })),
  ];
  const found = all.filter((one) => one.text.replace(/\x60/g, '').toLowerCase().includes(words));
  const begins = (one: Option) => Number(!one.text.toLowerCase().startsWith(words));
  return found
    .toSorted((a, b) => begins(a) - begins(b))
    .slice(0, MOST)
    .map((one) => ({ ...one, text: `${one.text} ` }));
}

const isNumber = (key: string): boolean => /^metrics?\./i.test(key) || /_time$/.test(key);

function opsLike(key: string, typed: string): Option[] {
  const ops = isNumber(key) ? NUMBERS : /^(params?|tags?)\./i.test(key) ? [...TEXTS, 'IS NULL', 'IS NOT NULL'] : TEXTS;
  return ops
    .filter((op) => op.startsWith(typed.toUpperCase()))
    .map((op) => ({ text: `${op} `, hint: op.endsWith('LIKE') ? '% stands for anything' : '' }));
}

function valuesAt(key: string, typed: string, caret: number): Completion {
  const at = { from: caret - typed.length, to: caret };
  const prefix = typed.slice(1);
  if (/status$/.test(key)) {
    const states = STATES.filter((one) => one.startsWith(prefix.toUpperCase()));
    return { ...at, options: states.map((one) => ({ text: `${quoted(one)} `, hint: '' })) };
  }
  if (!/^(params?|tags?)\./i.test(key)) return { ...at, options: [] };
  return {
    ...at,
    options: [],
    valuesOf: { key: key.replace(/[\x60"]/g, '').replace(/^(param|tag)\./i, '$1s.'), prefix },
  };
}

export const quoted = (value: string): string => `'${value.replaceAll("'", "''")}'`;

export const asOptions = (values: readonly string[]): Option[] =>
  values.map((value) => ({ text: `${quoted(value)} `, hint: '' }));

/** The text with an option in its place, and where the caret goes. */
export function completed(text: string, at: Completion, option: Option): [text: string, caret: number] {
  const rest = text.slice(at.to).replace(/^'/, '').trimStart();
  const head = text.slice(0, at.from) + option.text;
  return [head + rest, head.length];
}
