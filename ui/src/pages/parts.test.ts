import { expect, it } from 'vitest';
import { staleAfter } from '../api/live';
import type { DeploymentDetail, MonitorDetail, VariantCounts, Window } from '../api/types';
import { checkSentence, guardSentence, stateOf } from '../words';
import { between, quantile, sharesOf, tallyOf } from './deployments/shares';
import { arcBetween, labelAt, pointAt } from './loop/geometry';
import { answerOf, triggersOf } from './monitors/answers';
import { colourAt, gridOf, heatOf, merged } from './monitors/heat';
import { layered } from './pipelines/layers';

it('has a word for a state it does not know', () => {
  expect(stateOf('PROMOTED')).toMatchObject({ word: 'Promoted', tone: 'good' });
  expect(stateOf('SOME_NEW_STATE').word).toBe('Some new state');
  expect(staleAfter('turn')).toContain('turns');
  expect(staleAfter('something new')).toEqual(['status']);
});

it('says checks and guards as sentences', () => {
  const check = { kind: 'not_worse', metric: 'auc', limit: 0, margin: 0.01, than: 'champion' };
  expect(checkSentence(check)).toBe('auc not worse than champion, margin 0.01');
  expect(guardSentence({ kind: 'error_rate', metric: '', margin: 0, limit: 0.02, quantile: 0.99 })).toBe(
    'error rate at most 2 %',
  );
});

const counts = (requests: number, latency: Record<number, number>): VariantCounts =>
  ({ revision: 1, requests, errors: 1, latency_us: latency }) as unknown as VariantCounts;

it('reads rates and latencies from consecutive counts', () => {
  const passed = between(tallyOf([counts(10, { 1000: 10 })], 1), tallyOf([counts(30, { 1000: 11, 5000: 19 })], 1));
  expect(passed.requests).toBe(20);
  expect(quantile(passed.latency, 0.5)).toBe(5);
  expect(quantile(passed.latency, 0.01)).toBe(1);
  expect(quantile(new Map(), 0.5)).toBeNull();
});

it('starts anew where a gateway was restarted', () => {
  expect(between(tallyOf([counts(30, {})], 1), tallyOf([counts(4, {})], 1)).requests).toBe(4);
});

it('divides traffic as the rollout does', () => {
  const detail = {
    deployment: { stable: 1 },
    revisions: [
      { number: 1, model_version: 4 },
      { number: 2, model_version: 5 },
    ],
    rollout: { state: 'PROGRESSING', candidate: 2, step: 0, steps: [{ index: 0, weight_bp: 1000 }] },
  } as unknown as DeploymentDetail;
  expect(sharesOf(detail).map((one) => [one.modelVersion, one.share])).toEqual([
    [4, 0.9],
    [5, 0.1],
  ]);
});

it('layers a pipeline and leads long edges round the steps between', () => {
  const graph = layered([
    { name: 'split', inputs: { data: { step: '' } } },
    { name: 'train', inputs: { data: { step: 'split' } } },
    { name: 'evaluate', inputs: { model: { step: 'train' }, holdout: { step: 'split' } } },
  ]);
  const x = Object.fromEntries(graph.nodes.map((node) => [node.name, node.x]));
  expect((x.split ?? 0) < (x.train ?? 0) && (x.train ?? 0) < (x.evaluate ?? 0)).toBe(true);
  expect(graph.edges.find((edge) => edge.from === 'split' && edge.to === 'evaluate')?.via).toHaveLength(1);
});

const window = (end: string, value: number): Window =>
  ({ end, findings: [{ column: 'a', value }], severity: 'ok' }) as unknown as Window;

it('lays windows out by feature, and adds what came since', () => {
  const detail = (windows: Window[]) =>
    ({ monitor: { deployment: 'd', name: 'drift' }, windows }) as unknown as MonitorDetail;
  const all = merged(
    [detail([window('2026-01-01', 1), window('2026-01-02', 2)])],
    [detail([window('2026-01-03', 3)])],
    2,
  );
  expect(all[0]?.windows.map((one) => one.end)).toEqual(['2026-01-02', '2026-01-03']);
  expect(gridOf(all[0]?.windows ?? [], 'worst').at(0, 1)?.value).toBe(3);
});

it('gives drift a colour that grows darker at the gate and at critical', () => {
  expect(heatOf(-0.1, 0.1, 0.25)).toBe(0);
  expect(heatOf(0.1, 0.1, 0.25)).toBe(1);
  expect(heatOf(0.25, 0.1, 0.25)).toBe(2);
  expect(heatOf(100, 0.1, 0.25)).toBe(4);
  expect(colourAt(0.5, ['#000000', '#0000ff'])).toBe('rgb(0 0 128)');
});

it('sets the stations on a ring from the top, clockwise', () => {
  expect(pointAt(0, 7)).toMatchObject({ x: 380 });
  expect(labelAt(2, 7).anchor).toBe('start');
  expect(labelAt(5, 7).anchor).toBe('end');
  expect(arcBetween(0, 1, 7)).toMatch(/^M.*A142 142 0 0 1/);
});

it('an alert page says what each trigger made of the alert', () => {
  const trigger = {
    name: 'alert',
    loop: 'churn',
    muted: false,
    pending: '',
    waits_for: '',
    spec: { kind: 'alert', monitors: ['drift'] },
  };
  const detail = { triggers: [trigger, { ...trigger, spec: { kind: 'schedule', monitors: [] } }] };
  const drift = { kind: 'drift', monitor: 'drift' };
  expect(triggersOf(detail as never, drift as never)).toEqual([trigger]);
  expect(triggersOf(detail as never, { kind: 'quality', monitor: 'quality' } as never)).toEqual([]);
  const answer = (more: object, began = false) => answerOf({ ...trigger, ...more } as never, 'churn!2', began);
  expect(answer({}, true)).toBe('it began the turn');
  expect(answer({ muted: true })).toContain('muted');
  expect(answer({ pending: 'churn!2', waits_for: 'loop churn is paused' })).toBe('it waits: loop churn is paused');
  expect(answer({ pending: 'churn!1' })).toContain('churn!1 first');
  expect(answer({ waits_for: 'alert churn!2 was resolved before its turn could begin' })).toContain('was resolved');
});
