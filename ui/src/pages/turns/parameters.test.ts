import { expect, test } from 'vitest';
import type { PipelineSpec } from '../../api/types';
import { changed, parametersOf } from './parameters';

const SPEC = {
  params: { lr: 0.1, rounds: 10 },
  param_targets: { lr: ['train.lr'] },
  steps: [
    { name: 'split', params: { seed: 0, by: null } },
    { name: 'train', params: { lr: 0.1, kind: 'tree' } },
  ],
} as unknown as PipelineSpec;

test('a parameter that the pipeline passes on is shown once', () => {
  expect(parametersOf(SPEC)).toEqual({ lr: '0.1', 'split.seed': '0', 'split.by': 'null', 'train.kind': 'tree' });
});

test('only what differs from the loop file is set', () => {
  const present = parametersOf(SPEC);
  expect(changed(present, present)).toEqual({});
  expect(changed(present, present, ['lr'])).toEqual({ lr: '0.1' });
  expect(changed(present, { ...present, lr: '0.3', 'train.lr': '0.4' })).toEqual({ lr: '0.3', 'train.lr': '0.4' });
});
