/** HTTP to our own API, with its problem documents as errors. */
import { recordAnswer } from './answering';
import { csrfHeaders, recordUnknownCaller } from './session';

export class Problem extends Error {
  readonly status: number;
  readonly code: string;
  readonly hint: string;

  constructor(status: number, code: string, detail: string, hint: string) {
    super(detail);
    this.status = status;
    this.code = code;
    this.hint = hint;
  }
}

export type Query = Record<string, string | number | boolean | readonly string[] | undefined>;

const BASE = '/api/v1';

export async function problemOf(response: Response): Promise<Problem> {
  const text = await response.text();
  try {
    const body = JSON.parse(text) as { code?: string; detail?: string; hint?: string };
    return new Problem(response.status, body.code ?? '', body.detail ?? text, body.hint ?? '');
  } catch {
    return new Problem(response.status, '', text.slice(0, 300) || response.statusText, '');
  }
}

export const unreachable = (): Problem =>
  new Problem(0, 'unreachable', 'The server does not answer.', 'Is it running? Start it with: hl up');

async function call(path: string, init: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, init);
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    recordAnswer(false);
    throw unreachable();
  }
  recordAnswer(true);
  if (response.status === 401) recordUnknownCaller();
  if (!response.ok) throw await problemOf(response);
  return response;
}

/** The path with its query; a list becomes a parameter that is said several times. */
export function withQuery(path: string, query: Query = {}): string {
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    if (value === undefined || value === '') continue;
    for (const one of Array.isArray(value) ? value : [value]) search.append(key, String(one));
  }
  return search.size ? `${path}?${search}` : path;
}

export async function get<T>(path: string, query?: Query, signal?: AbortSignal): Promise<T> {
  const response = await call(withQuery(BASE + path, query), { signal });
  return (await response.json()) as T;
}

export async function post<T>(path: string, body?: unknown): Promise<T> {
  const response = await call(BASE + path, {
    method: 'POST',
    headers: { ...csrfHeaders(), ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  return (await response.json()) as T;
}

export async function remove(path: string): Promise<void> {
  await call(BASE + path, { method: 'DELETE', headers: csrfHeaders() });
}

/** A piece of an attempt's log from `offset` on, and where the next piece begins. */
export async function logPiece(attempt: string, offset: number): Promise<{ text: string; next: number }> {
  const response = await call(`${BASE}/attempts/${encodeURIComponent(attempt)}/log?offset=${offset}`, {});
  return { text: await response.text(), next: Number(response.headers.get('x-next-offset') ?? offset) };
}

export const seg = encodeURIComponent;

export const api = (path: string, query?: Query): string => withQuery(BASE + path, query);
