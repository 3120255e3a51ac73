import { expect, it } from 'vitest';
import { crumbsOf } from './crumbs';
import { at, encoded, fromHash, pageOf } from './paths';
import { ranked } from './ranked';

it('translates the links that the MLflow client prints', () => {
  expect(fromHash('#/experiments/7/runs/ab12')).toBe('/runs/ab12');
  expect(fromHash('#/experiments/7')).toBe('/runs?experiment=%227%22');
  expect(fromHash('#/models/digits/versions/3')).toBe('/models/digits/3');
  expect(fromHash('#/models/digits')).toBe('/models/digits');
  expect(fromHash('#/experiments/7/runs/ab12?compare=1')).toBe('/runs/ab12');
});

it('leaves other hashes alone', () => {
  expect(fromHash('')).toBeUndefined();
  expect(fromHash('#gate')).toBeUndefined();
});

it('encodes ids in addresses', () => {
  expect(at.turn('a b~2')).toBe('/turns/a%20b~2');
  expect(at.dataset('digits', 'abc')).toBe('/data/digits?version=abc');
  expect(encoded('/models/my model/2')).toBe('/models/my%20model/2');
  expect(encoded('/data/customers?version=7ab52b8f1931')).toBe('/data/customers?version=7ab52b8f1931');
  expect(encoded('/models/what?')).toBe('/models/what%3F');
});

it('finds the page of an event', () => {
  expect(pageOf('turn', 'digits~2')).toBe('/turns/digits~2');
  expect(pageOf('gate', 'digits/3')).toBe('/models/digits/3');
  expect(pageOf('step_run', 'abc/train')).toBe('/pipeline-runs/abc');
  expect(pageOf('rollout', 'digits#2')).toBe('/deployments/digits/rollouts/2');
  expect(pageOf('alias', 'digits@champion')).toBe('/models/digits');
  expect(pageOf('routing', '4')).toBeUndefined();
});

it('leads from the loop down to a version', () => {
  expect(crumbsOf('/models/digits/3').map((crumb) => crumb.name)).toEqual([
    'The loop',
    'Models',
    'digits',
    'Version 3',
  ]);
});

it('ranks names that begin with what was typed first', () => {
  const entries = [
    { name: 'my digits', kind: 'model' },
    { name: 'digits', kind: 'model' },
    { name: 'churn', kind: 'model' },
  ];
  expect(ranked(entries, 'dig').map((one) => one.name)).toEqual(['digits', 'my digits']);
  expect(ranked(entries, 'model churn').map((one) => one.name)).toEqual(['churn']);
});
