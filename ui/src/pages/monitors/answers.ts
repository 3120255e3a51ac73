/** What the triggers of a loop made of an alert. Pure, so that it can be tested. */
import type { Alert, LoopDetail } from '../../api/types';

export type AlertTrigger = LoopDetail['triggers'][number];

/** The triggers of a loop that begin a turn when such an alert opens. */
export function triggersOf(detail: LoopDetail, alert: Alert): AlertTrigger[] {
  const names = [alert.kind, alert.monitor];
  return detail.triggers.filter(
    (one) => one.spec.kind === 'alert' && one.spec.monitors.some((name) => names.includes(name)),
  );
}

/** Why a trigger began a turn for an alert, or began none. */
export function answerOf(trigger: AlertTrigger, alert: string, began: boolean): string {
  if (began) return 'it began the turn';
  if (trigger.muted) return 'it is muted, so that it began none';
  if (trigger.pending === alert)
    return trigger.waits_for ? `it waits: ${trigger.waits_for}` : 'its turn is about to begin';
  if (trigger.waits_for.includes(`${alert} `)) return trigger.waits_for;
  if (trigger.pending) return `it has to begin the turn of ${trigger.pending} first`;
  return 'it began none: it was muted or did not exist when the alert opened, or the turn is older than the list';
}
