import { expect, it } from 'vitest';
import type { Leg, Turn } from '../../api/types';
import { axisOf, joined, spansOf, ticksOf } from './legs';

const BEGAN = Date.parse('2026-01-01T00:00:00Z');
const at = (seconds: number) => new Date(BEGAN + seconds * 1000).toISOString();
const leg = (name: Leg['name'], from: number, to: number | null, subject = ''): Leg => ({
  name,
  started_at: at(from),
  finished_at: to === null ? null : at(to),
  result: '',
  subject,
  detail: {},
});
const turn = (legs: Leg[], finished: number | null): Turn =>
  ({ legs, created_at: at(0), finished_at: finished === null ? null : at(finished) }) as Turn;

it('joins a leg that only prepared the next one of its name', () => {
  const legs = joined([leg('train', 0, 1), leg('train', 1, 9, 'run'), leg('gate', 9, 10)]);
  expect(legs.map((one) => one.name)).toEqual(['train', 'gate']);
  expect(legs[0]?.started_at).toBe(at(0));
});

it('lets an open leg grow with the clock and end with its turn', () => {
  expect(spansOf(turn([leg('train', 2, null)], null), BEGAN + 7000)[0]).toMatchObject({ seconds: 5, live: true });
  expect(spansOf(turn([leg('train', 2, null)], 4), BEGAN + 7000)[0]).toMatchObject({ seconds: 2, live: false });
});

it('puts moments on one axis from 0 to 1', () => {
  const found = turn([leg('train', 0, 5), leg('gate', 5, 10)], 10);
  const axis = axisOf(found, spansOf(found, 0), 0);
  expect(axis.at(BEGAN + 5000)).toBe(0.5);
  expect(axis.at(BEGAN + 99000)).toBe(1);
});

it('marks the axis at round seconds', () => {
  expect(ticksOf(45)).toEqual([0, 10, 20, 30, 40]);
  expect(ticksOf(3)).toEqual([0, 0.5, 1, 1.5, 2, 2.5, 3]);
});
