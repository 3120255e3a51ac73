/** The one place where states become words, tones and marks; colour never stands alone. */

export type Tone = 'good' | 'busy' | 'warn' | 'bad' | 'idle';
export type Mark = 'check' | 'cross' | 'dot' | 'clock' | 'pause' | 'back' | 'bolt' | 'equal' | 'hand' | 'dash' | 'half';

export interface Shown {
  word: string;
  tone: Tone;
  mark: Mark;
}

const shown = (word: string, tone: Tone, mark: Mark): Shown => ({ word, tone, mark });

const STATES: Record<string, Shown> = {
  // turns
  HARVESTING: shown('Gathering data', 'busy', 'dot'),
  TRAINING: shown('Training', 'busy', 'dot'),
  REGISTERING: shown('Registering', 'busy', 'dot'),
  GATING: shown('At the gate', 'busy', 'dot'),
  APPROVING: shown('Waiting for approval', 'warn', 'hand'),
  ROLLING_OUT: shown('Rolling out', 'busy', 'dot'),
  PROMOTED: shown('Promoted', 'good', 'check'),
  REJECTED: shown('Stopped at the gate', 'bad', 'cross'),
  ROLLED_BACK: shown('Rolled back', 'bad', 'back'),
  draft: shown('Draft', 'idle', 'half'),
  quarantined: shown('Quarantined', 'bad', 'cross'),
  UNCHANGED: shown('Unchanged', 'idle', 'equal'),
  VOID: shown('Void: the files changed', 'warn', 'dash'),
  // runs, steps and attempts
  QUEUED: shown('Queued', 'idle', 'clock'),
  SCHEDULED: shown('Scheduled', 'idle', 'clock'),
  READY: shown('Ready', 'good', 'check'),
  RUNNING: shown('Running', 'busy', 'dot'),
  LEASED: shown('Running', 'busy', 'dot'),
  CANCELLING: shown('Cancelling', 'warn', 'dot'),
  SUCCEEDED: shown('Succeeded', 'good', 'check'),
  FINISHED: shown('Finished', 'good', 'check'),
  FAILED: shown('Failed', 'bad', 'cross'),
  KILLED: shown('Killed', 'bad', 'cross'),
  LOST: shown('Lost', 'bad', 'cross'),
  TIMED_OUT: shown('Timed out', 'bad', 'clock'),
  OUT_OF_MEMORY: shown('Out of memory', 'bad', 'cross'),
  CANCELLED: shown('Cancelled', 'idle', 'dash'),
  PENDING: shown('Pending', 'idle', 'clock'),
  RETRY_WAIT: shown('Waits to retry', 'warn', 'clock'),
  CACHED: shown('Cached', 'good', 'bolt'),
  UPSTREAM_FAILED: shown('Not reached', 'idle', 'dash'),
  // revisions and rollouts
  LOADING: shown('Loading', 'busy', 'dot'),
  QUARANTINED: shown('Quarantined', 'bad', 'cross'),
  STOPPED: shown('Stopped', 'idle', 'dash'),
  PREPARING: shown('Preparing', 'busy', 'dot'),
  PROGRESSING: shown('Progressing', 'busy', 'dot'),
  PAUSED: shown('Held', 'warn', 'pause'),
  PROMOTING: shown('Promoting', 'busy', 'dot'),
  ROLLING_BACK: shown('Rolling back', 'bad', 'back'),
  // verdicts and guards
  pass: shown('Pass', 'good', 'check'),
  fail: shown('Fail', 'bad', 'cross'),
  inconclusive: shown('Inconclusive', 'warn', 'half'),
  no_data: shown('No data', 'idle', 'dash'),
  error: shown('Error', 'bad', 'cross'),
  waived: shown('Waived', 'warn', 'hand'),
  // alerts and windows
  firing: shown('Firing', 'bad', 'bolt'),
  acknowledged: shown('Acknowledged', 'warn', 'hand'),
  resolved: shown('Resolved', 'good', 'check'),
  ok: shown('Calm', 'good', 'check'),
  info: shown('Notable', 'idle', 'half'),
  warning: shown('Warning', 'warn', 'half'),
  critical: shown('Critical', 'bad', 'bolt'),
  insufficient_data: shown('Too few rows', 'idle', 'dash'),
  immature: shown('Labels still due', 'idle', 'clock'),
  // checks of a dataset's version
  waiting: shown('Being checked', 'busy', 'clock'),
  passed: shown('Passed', 'good', 'check'),
  failed: shown('Failed', 'bad', 'cross'),
  // requests and approvals
  OPEN: shown('Open', 'warn', 'hand'),
  APPROVED: shown('Approved', 'good', 'check'),
  approve: shown('Approved', 'good', 'check'),
  reject: shown('Rejected', 'bad', 'cross'),
};

export function stateOf(state: string): Shown {
  return STATES[state] ?? shown(state ? sentenceCase(state) : 'Unknown', 'idle', 'dash');
}

export function sentenceCase(word: string): string {
  const spaced = word.replaceAll('_', ' ').toLowerCase();
  return spaced.charAt(0).toUpperCase() + spaced.slice(1);
}

export const LEGS: Record<string, string> = {
  data: 'Gather data',
  train: 'Train',
  register: 'Register',
  gate: 'Gate',
  approve: 'Approve',
  rollout: 'Roll out',
  watch: 'Watch',
};

export const CAUSES: Record<string, string> = {
  person: 'A person began it',
  schedule: 'Its schedule was due',
  new_data: 'New data came in',
  alert: 'An alert fired',
  registered: 'A version was registered by hand',
  first: 'It is the first turn',
};

const CHECKS: Record<string, string> = {
  at_least: 'at least',
  at_most: 'at most',
  not_worse: 'not worse than',
  signature: 'Compatible inputs and outputs',
  latency: 'Answers fast enough',
};

export function checkSentence(check: {
  kind: string;
  metric: string;
  limit: number;
  margin: number;
  than: string;
}): string {
  if (check.kind === 'at_least' || check.kind === 'at_most')
    return `${check.metric} ${CHECKS[check.kind]} ${check.limit}`;
  if (check.kind === 'not_worse') return `${check.metric} not worse than ${check.than}, margin ${check.margin}`;
  if (check.kind === 'latency') return `p99 at most ${check.limit} ms`;
  return CHECKS[check.kind] ?? sentenceCase(check.kind);
}

export function checkName(check: { kind: string; metric: string }): string {
  return check.metric ? `${check.kind}:${check.metric}` : check.kind;
}

export function guardSentence(guard: {
  kind: string;
  metric: string;
  margin: number;
  limit: number;
  quantile: number;
}): string {
  if (guard.kind === 'error_rate') return `error rate at most ${percent(guard.limit)}`;
  if (guard.kind === 'latency') return `p${Math.round(guard.quantile * 100)} at most ${guard.limit} ms`;
  if (guard.kind === 'split') return 'units come in the planned shares';
  if (guard.kind === 'better') return `${guard.metric} is better`;
  return `${guard.metric} must not drop by ${percent(guard.margin)}`;
}

const percent = (share: number): string => `${+(share * 100).toFixed(1)} %`;
