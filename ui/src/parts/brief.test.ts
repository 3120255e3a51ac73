import { expect, it } from 'vitest';
import { titleOf } from '../app/title';
import { briefOf } from './brief';

it('leaves a short line alone', () => {
  expect(briefOf('the gate stopped it')).toBe('the gate stopped it');
});

it('says of a traceback what began it and its last line', () => {
  const trace = 'Traceback (most recent call last):\n  File "a.py", line 1\nKeyError: \'label\'';
  expect(briefOf(trace)).toBe("KeyError: 'label'");
  expect(briefOf(`step train failed: ${trace}`)).toBe("step train failed: KeyError: 'label'");
});

it('cuts long lines and further lines', () => {
  expect(briefOf('word '.repeat(60)).length).toBeLessThanOrEqual(160);
  expect(briefOf('first\nsecond')).toBe('first …');
});

it('names the page, its list and the application in the title', () => {
  expect(titleOf('digits/3', '/models/digits/3')).toBe('digits/3 · Models · Helicline');
  expect(titleOf('Models', '/models')).toBe('Models · Helicline');
  expect(titleOf('The loop', '/')).toBe('The loop · Helicline');
});
