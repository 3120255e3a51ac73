/** What an upload makes of a dataset: the rules of `hl data commit`, for a handful of files. */
import { Problem } from '../../api/client';
import type { FileEntry } from '../../api/types';
import { bytes, counted } from '../../parts/format';

export const MOST_BYTES = 32_000_000;
export type Mode = 'replace' | 'append';

/** Why these files cannot be uploaded, "" where they can. */
export function whyNot(files: { name: string; size: number }[]): string {
  const names = files.map((file) => file.name.toLowerCase());
  const double = files.find((file, at) => names.indexOf(file.name.toLowerCase()) !== at);
  if (double)
    return `Two files are named ${double.name}. Take one of them out, or commit their folders: hl data commit NAME FOLDER`;
  const empty = files.find((file) => file.size === 0);
  if (empty) return `${empty.name} is empty, or a folder. Choose files; a folder goes with hl data commit NAME FOLDER`;
  const total = files.reduce((sum, file) => sum + file.size, 0);
  if (total > MOST_BYTES)
    return `${bytes(total)} are too much for the browser: at most ${bytes(MOST_BYTES)}. Larger ones go with hl data commit NAME FOLDER`;
  return '';
}

const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/;

/** Why a new dataset cannot have this name, "" where it can, or where none is written yet. */
export function whyNoName(name: string, others: string[]): string {
  if (!name) return '';
  if (!NAME.test(name) || name.includes('..'))
    return `${name} is no name: letters, digits, '_', '.' and '-', beginning with a letter or digit.`;
  return others.includes(name) ? `There is a dataset ${name} already: open it and upload a version.` : '';
}

/** All files of the next version: those that were added, or these beside the ones before. Throws a Problem. */
export function filesAfter(before: FileEntry[], added: FileEntry[], mode: Mode): FileEntry[] {
  if (mode === 'replace') return added;
  const old = new Map(before.map((entry) => [entry[0], entry]));
  const others = added.filter(([path, , hash]) => old.has(path) && old.get(path)?.[2] !== hash);
  if (others[0]) {
    const hint = 'Give the new file another name, or replace all files.';
    throw new Problem(409, 'conflict', `${others[0][0]} is in the version with other content.`, hint);
  }
  return [...before, ...added.filter(([path]) => !old.has(path))];
}

/** What the version says it is, in the list of versions. */
export function sentenceOf(before: FileEntry[], added: FileEntry[], mode: Mode): string {
  const names = added.map(([path]) => path);
  const listed = names.slice(0, 3).join(', ') + (names.length > 3 ? ` and ${names.length - 3} more` : '');
  return mode === 'append' ? `appends ${listed} to ${counted(before.length, 'file')}` : `uploads ${listed}`;
}
