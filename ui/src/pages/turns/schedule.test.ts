import { expect, test } from 'vitest';
import { cronSentence, momentIn, triggerSentence } from './schedule';

test('the usual schedules are told in words, every other as it stands', () => {
  expect(cronSentence('0 3 * * 1')).toBe('every Monday at 03:00');
  expect(cronSentence('30 6 * * *')).toBe('every day at 06:30');
  expect(cronSentence('0 * * * *')).toBe('every hour at :00');
  expect(cronSentence('0 0 1 * *')).toBe('on day 1 of every month at 00:00');
  expect(cronSentence('*/5 8-18 * * 1-5')).toBe('at */5 8-18 * * 1-5');
});

test('a trigger is told with the clocks of its zone', () => {
  const spec = { kind: 'schedule', cron: '0 3 * * 1', timezone: 'Europe/Vienna' };
  expect(triggerSentence(spec as never)).toBe('every Monday at 03:00 (Europe/Vienna)');
  expect(momentIn('2026-11-30T02:00:00Z', 'Europe/Vienna')).toMatch(/^Mon,? 30 Nov, 03:00$/); // with a comma in some releases
});
