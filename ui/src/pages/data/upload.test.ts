import { expect, test } from 'vitest';
import type { FileEntry } from '../../api/types';
import { filesAfter, MOST_BYTES, sentenceOf, whyNoName, whyNot } from './upload';

const old: FileEntry[] = [['a.csv', 4, 'aa']];

test('what is appended stands beside the files before, and the same file is left out', () => {
  const added: FileEntry[] = [
    ['a.csv', 4, 'aa'],
    ['b.csv', 5, 'bb'],
  ];
  expect(filesAfter(old, added, 'append')).toEqual([
    ['a.csv', 4, 'aa'],
    ['b.csv', 5, 'bb'],
  ]);
  expect(filesAfter(old, [['b.csv', 5, 'bb']], 'replace')).toEqual([['b.csv', 5, 'bb']]);
  expect(sentenceOf(old, added, 'append')).toBe('appends a.csv, b.csv to 1 file');
});

test('a file of the same name with other content is a conflict, by its name', () => {
  expect(() => filesAfter(old, [['a.csv', 4, 'cc']], 'append')).toThrow('a.csv is in the version with other content');
});

test('what is too large, empty or doubled is told before anything is sent', () => {
  expect(whyNot([{ name: 'a.csv', size: MOST_BYTES }])).toBe('');
  expect(whyNot([{ name: 'a.csv', size: MOST_BYTES + 1 }])).toContain('at most 32.0 MB');
  expect(whyNot([{ name: 'a.csv', size: 0 }])).toContain('a.csv is empty');
  expect(
    whyNot([
      { name: 'a.csv', size: 1 },
      { name: 'A.csv', size: 1 },
    ]),
  ).toContain('Two files are named A.csv');
});

test('a name that the server would refuse, or that is taken, is told while it is written', () => {
  expect(whyNoName('', [])).toBe('');
  expect(whyNoName('shop-2026.q1', ['shop'])).toBe('');
  for (const name of ['a/b', 'a b', '-a', 'a..b', 'é']) expect(whyNoName(name, [])).toContain('is no name');
  expect(whyNoName('shop', ['shop'])).toContain('There is a dataset shop already');
});
