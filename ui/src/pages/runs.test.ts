import { expect, it } from 'vitest';
import { withQuery } from '../api/client';
import type { Run, RunKey } from '../api/types';
import { type DrawnLine, columnsOf as drawn, hasBand, nearest } from '../parts/lines';
import { blocksOf, inlinesOf } from '../parts/marked';
import { axesOf, patchOf, rowsOf } from './compare/differ';
import { chosen, columnsOf, nextOrder, orderKey, pinnedFirst, varying } from './runs/columns';
import { completed, completion } from './runs/complete';
import { joined, narrowed, parted, runsSearch } from './runs/search';

const key = (entity: string, name: string, seen_count = 2, varies = true): RunKey => ({
  entity,
  name,
  seen_count,
  varies,
});
const COLUMNS = columnsOf([
  key('tag', 'team'),
  key('metric', 'auc', 1),
  key('metric', 'loss', 2),
  key('param', 'c', 2, false),
  key('param', 'a b', 0),
  key('tag', 'mlflow.user'),
  key('tag', 'mlflow.runName'),
]);

it('offers what most runs have first, and the own tags of clients last', () => {
  expect(COLUMNS.map((one) => one.id)).toEqual([
    'metrics.loss',
    'metrics.auc',
    'params.c',
    'params.a b',
    'tags.team',
    'tags.mlflow.user',
  ]);
  expect(chosen(COLUMNS, undefined).map((one) => one.name)).toEqual(['loss', 'auc', 'c']);
  expect(chosen(COLUMNS, ['params.c', 'metrics.nope']).map((one) => one.name)).toEqual(['c']);
});

it('keeps only the columns in which runs differ, of those that were chosen', () => {
  expect(varying(COLUMNS, undefined).map((one) => one.name)).toEqual(['loss', 'auc']);
  expect(varying(COLUMNS, ['params.c', 'tags.team']).map((one) => one.name)).toEqual(['team']);
});

it('puts pinned columns first, also those that are not among the others', () => {
  const shown = chosen(COLUMNS, ['metrics.loss', 'params.c']);
  expect(pinnedFirst(shown, ['tags.team', 'params.c'], COLUMNS).map((one) => one.name)).toEqual(['team', 'c', 'loss']);
});

it('orders by any key, quoting those that need it', () => {
  expect(orderKey({ id: 'metrics.auc', name: 'auc', kind: 'metrics' })).toBe('metrics.auc');
  expect(orderKey({ id: 'metrics.val loss', name: 'val loss', kind: 'metrics' })).toBe('metrics.`val loss`');
  expect(nextOrder('metrics.auc DESC', 'metrics.auc')).toBe('metrics.auc ASC');
  expect(nextOrder('metrics.auc ASC', 'metrics.auc')).toBe('metrics.auc DESC');
});

const options = (text: string) => completion(text, text.length, COLUMNS).options.map((one) => one.text.trim());

it('completes keys, comparisons and the next condition', () => {
  expect(options('los')).toEqual(['metrics.loss']);
  expect(options('a b')).toEqual([]);
  expect(options('params.')).toEqual(['params.c', 'params.`a b`']);
  expect(options('metrics.loss ')).toEqual(['>', '>=', '<', '<=', '=', '!=']);
  expect(options('params.c ')).toContain('LIKE');
  expect(options('params.c = ')).toEqual([]);
  expect(options("params.c = 'x' ")).toEqual(['AND']);
  expect(options("params.c = 'x AND y' AND tea")).toEqual(['tags.team']);
  expect(options('attributes.status = ')).toContain("'FINISHED'");
  expect(options('metrics.loss > 0.5 ')).toEqual(['AND']);
});

it('asks for the values of a parameter, and puts one in its place', () => {
  const text = "params.`a b` = 'tr AND metrics.loss > 1";
  const at = completion(text, 18, COLUMNS);
  expect(at.valuesOf).toEqual({ key: 'params.a b', prefix: 'tr' });
  expect(completed("params.c = 'tr", completion("params.c = 'tr", 14, COLUMNS), { text: "'tree' ", hint: '' })).toEqual(
    ["params.c = 'tree' ", 18],
  );
});

it('keeps commas and percent signs of keys through the address', () => {
  const ids = ['metrics.a,b', 'params.100%', 'params.%2C'];
  expect(parted(joined(ids))).toEqual(ids);
  expect(runsSearch({ columns: '', view: 'nope', varying: 'true' })).toMatchObject({
    columns: '',
    view: undefined,
    varying: true,
  });
  expect(narrowed('a = 1', "b = 'x'")).toBe("a = 1 AND b = 'x'");
  expect(withQuery('/x', { a: ['1', '2'], b: undefined, c: '' })).toBe('/x?a=1&a=2');
});

const line = (run: string, x: number[], last: (number | null)[]): DrawnLine => ({
  run,
  name: run,
  rank: 0,
  x,
  low: last,
  high: last,
  last,
});

it('puts lines over one axis and leaves gaps where a line has no point', () => {
  const [xs, raw, , , , other] = drawn([line('a', [0, 2], [1, 3]), line('b', [1], [-5])], 0, true);
  expect(xs).toEqual([0, 1, 2]);
  expect(raw).toEqual([1, undefined, 3]);
  expect(other).toEqual([undefined, null, undefined]);
  expect(drawn([line('a', [0, 1], [1, Number.MAX_VALUE])], 0, false)[1]).toEqual([1, null]);
  expect(nearest(line('a', [0, 10], [1, 2]), 6)).toBe(2);
  expect(hasBand(line('a', [0], [1]))).toBe(false);
});

const run = (
  params: Record<string, string>,
  metrics: Record<string, number | null>,
  tags: Record<string, string> = {},
): Run =>
  ({
    params,
    tags,
    inputs: [],
    metrics: Object.entries(metrics).map(([name, value]) => ({ key: name, value })),
  }) as unknown as Run;

it('says first what differs between runs', () => {
  const runs = [
    run({ lr: '1', seed: '1' }, { loss: 1 }, { 'mlflow.source.git.commit': 'a' }),
    run({ lr: '2', seed: '1' }, {}),
  ];
  const rows = rowsOf(runs);
  expect(rows.map((row) => [row.name, row.kind, row.differs])).toEqual([
    ['lr', 'Parameters', true],
    ['loss', 'Metrics', true],
    ['mlflow.source.git.commit', 'Environment', true],
    ['seed', 'Parameters', false],
  ]);
  expect(axesOf(rows).map((axis) => [axis.name, axis.places])).toEqual([['lr', [0, 1]]]);
  expect(patchOf(run({}, {}, { 'mlflow.git.diff': '+x' }))).toBe('+x');
});

it('tells NaN, which comes as null, from a metric that is missing', () => {
  const rows = rowsOf([run({}, { loss: null }), run({}, {}), run({}, { loss: 1 }), run({}, { loss: 3 })]);
  expect(rows[0]?.values).toEqual([Number.NaN, undefined, 1, 3]);
  expect(axesOf(rows)[0]?.places).toEqual([undefined, undefined, 0, 1]);
});

it('places words on an axis by name', () => {
  const axes = axesOf(rowsOf([run({ kind: 'tree' }, {}), run({ kind: 'linear' }, {}), run({}, {})]));
  expect(axes[0]?.places).toEqual([1, 0, undefined]);
});

it('reads notes as blocks, and never a link that is no web address', () => {
  expect(blocksOf('# Why\n\n- a\n- b\ntext\n```\n# code\n```').map((one) => [one.kind, one.lines.length])).toEqual([
    ['heading', 1],
    ['bullets', 2],
    ['text', 1],
    ['code', 1],
  ]);
  expect(
    inlinesOf('**a** `b` [c](https://d.example/)')
      .filter((one) => one.kind !== 'text')
      .map((one) => one.kind),
  ).toEqual(['strong', 'code', 'link']);
  expect(inlinesOf('[x](javascript:alert(1))').every((one) => one.kind === 'text')).toBe(true);
});
