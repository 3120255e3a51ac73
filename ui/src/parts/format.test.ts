import { expect, it } from 'vitest';
import { ago, begun, bytes, num, seconds, signed } from './format';
import { smooth } from './smooth';

it('shows numbers at a readable length', () => {
  expect(num(0.123456)).toBe('0.1235');
  expect(num(12345)).toBe('12,345');
  expect(num(1.5e-9)).toBe('1.50e-9');
  expect(num(null)).toBe('–');
  expect(num(Number.NaN)).toBe('NaN');
  expect([num(Number.MAX_VALUE), num(-Number.MAX_VALUE)]).toEqual(['∞', '−∞']);
  expect(signed(-0.5, 2)).toBe('−0.50');
});

it('shows spans in the unit that fits', () => {
  expect(seconds(0.0312)).toBe('31 ms');
  expect(seconds(59.94)).toBe('59.9 s');
  expect(seconds(125)).toBe('2 min 5 s');
  expect(seconds(7300)).toBe('2 h 2 min');
  expect(ago('2026-01-01T00:00:00Z', Date.parse('2026-01-01T00:05:00Z'))).toBe('5 min ago');
  expect(bytes(61138)).toBe('61.1 kB');
});

it('begins a sentence with a capital, but leaves names alone', () => {
  expect(begun('alert digits!2 fired')).toBe('Alert digits!2 fired');
  expect(begun('digits~2 was stopped')).toBe('digits~2 was stopped');
});

it('smooths without a bias towards zero and keeps gaps', () => {
  expect(smooth([1, 1, 1], 0.9)).toEqual([1, 1, 1].map((one) => expect.closeTo(one)));
  expect(smooth([1, null, 3], 0.5)).toEqual([1, null, expect.closeTo(7 / 3)]);
  expect(smooth([1, 5], 0)).toEqual([1, 5]);
});
