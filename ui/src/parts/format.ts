/** Numbers, spans and sizes as people read them. */

/** Infinities are kept as the greatest numbers that there are; no scale has room for them. */
export const isInfinite = (value: number): boolean => Math.abs(value) >= Number.MAX_VALUE;

export function num(value: number | null | undefined, digits = 4): string {
  if (value === null || value === undefined) return '–';
  if (Number.isNaN(value)) return 'NaN';
  if (isInfinite(value)) return value > 0 ? '∞' : '−∞';
  if (Number.isInteger(value) && Math.abs(value) < 1e9) return value.toLocaleString('en');
  const size = Math.abs(value);
  if (size >= 1e6 || (size > 0 && size < 1e-4)) return value.toExponential(2);
  return value.toLocaleString('en', { maximumSignificantDigits: size >= 1000 ? 6 : digits });
}

export function percent(share: number, digits = 1): string {
  return `${(share * 100).toFixed(digits).replace(/\.0+$/, '')} %`;
}

export function signed(value: number, digits = 3): string {
  return `${value > 0 ? '+' : value < 0 ? '−' : ''}${Math.abs(value).toFixed(digits)}`;
}

export function seconds(span: number): string {
  if (span < 0) return '0 s';
  if (span < 1) return `${Math.round(span * 1000)} ms`;
  if (span < 60) return `${span.toFixed(1)} s`;
  if (span < 3600) return `${Math.floor(span / 60)} min ${Math.round(span % 60)} s`;
  if (span < 86400) return `${Math.floor(span / 3600)} h ${Math.round((span % 3600) / 60)} min`;
  return `${Math.floor(span / 86400)} d ${Math.round((span % 86400) / 3600)} h`;
}

export function between(start: string, end: string | null | undefined, now = Date.now()): number {
  return ((end ? Date.parse(end) : now) - Date.parse(start)) / 1000;
}

export function ago(iso: string, now = Date.now()): string {
  const span = (now - Date.parse(iso)) / 1000;
  if (span < 2) return 'just now';
  if (span < 60) return `${Math.floor(span)} s ago`;
  if (span < 3600) return `${Math.floor(span / 60)} min ago`;
  if (span < 86400) return `${Math.floor(span / 3600)} h ago`;
  return `${Math.floor(span / 86400)} d ago`;
}

export function clock(iso: string | number | Date): string {
  return new Date(iso).toLocaleTimeString('en-GB');
}

export function moment(iso: string): string {
  return new Date(iso).toLocaleString('en-GB', { dateStyle: 'medium', timeStyle: 'medium' });
}

export function bytes(count: number): string {
  if (count < 1000) return `${count} B`;
  const units = ['kB', 'MB', 'GB', 'TB'];
  let size = count;
  let unit = -1;
  while (size >= 1000 && unit < units.length - 1) {
    size /= 1000;
    unit += 1;
  }
  return `${size.toPrecision(3)} ${units[unit]}`;
}

export const short = (id: string): string => (id.length > 12 ? id.slice(0, 8) : id);

export function counted(count: number, noun: string): string {
  return `${count.toLocaleString('en')} ${noun}${count === 1 ? '' : 's'}`;
}

/** A fragment as the beginning of a sentence; names with digits or dots keep their case. */
export function begun(text: string): string {
  return /^[a-z]+( |$)/.test(text) ? text.charAt(0).toUpperCase() + text.slice(1) : text;
}

export function plainStop(text: string): string {
  return text.trim().replace(/\.$/, '');
}
