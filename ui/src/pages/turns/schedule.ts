/** Triggers in words, with the clocks of their own time zone. Pure, so that it can be tested. */
import type { Trigger } from '../../api/types';

const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday'];

/** What begins a turn, like "every Monday at 03:00 (Europe/Vienna)". */
export function triggerSentence({ kind, cron, timezone, dataset, monitors }: Trigger['spec']): string {
  if (kind === 'schedule') return `${cronSentence(cron ?? '')} (${timezone || 'UTC'})`;
  if (kind === 'new_data') return dataset ? `new data in ${dataset}` : 'new data in what it reads';
  return monitors?.length ? `an alert of ${monitors.join(', ')}` : 'an alert';
}

/** The usual schedules in words, every other as it stands. */
export function cronSentence(cron: string): string {
  const [minute = '', hour = '', day, month, weekday, ...more] = cron.split(' ');
  const isPlain = month === '*' && !more.length && /^\d+$/.test(minute);
  if (isPlain && hour === '*' && day === '*' && weekday === '*') return `every hour at :${minute.padStart(2, '0')}`;
  if (!isPlain || !/^\d+$/.test(hour)) return `at ${cron}`;
  const time = `${hour.padStart(2, '0')}:${minute.padStart(2, '0')}`;
  if (day === '*' && weekday === '*') return `every day at ${time}`;
  if (day === '*' && weekday && DAYS[Number(weekday)]) return `every ${DAYS[Number(weekday)]} at ${time}`;
  return day && /^\d+$/.test(day) && weekday === '*' ? `on day ${day} of every month at ${time}` : `at ${cron}`;
}

/** A moment on the clocks of a zone. */
export function momentIn(iso: string, zone: string): string {
  const options = { weekday: 'short', day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' } as const;
  return new Date(iso).toLocaleString('en-GB', { ...options, timeZone: zone });
}
