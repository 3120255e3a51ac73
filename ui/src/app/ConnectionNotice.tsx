import { useEffect, useState } from 'react';
import { useAnswering } from '../api/answering';
import { useLive } from '../api/live';
import { clock } from '../parts/format';
import css from './shell.module.css';

const PATIENCE_MS = 3000;

/** A line over the page while the server does not answer or the live stream is interrupted. */
export function ConnectionNotice() {
  const live = useLive();
  const { answers, at } = useAnswering();
  const isLate = useIsLate(!live);
  const sentence = answers ? isLate && RECONNECTING : `${cause()} ${staleSince(at)}`;
  return (
    <div role="status" aria-label="Connection">
      {sentence && <p className={css.notice}>{sentence}</p>}
    </div>
  );
}

const RECONNECTING = 'Live updates are interrupted, reconnecting. Until then the page asks every 5 seconds.';

const cause = (): string => (navigator.onLine ? 'The server does not answer.' : 'You are offline.');

const staleSince = (at: number): string =>
  `Trying again every 5 seconds; this page shows the state of ${clock(new Date(at).toISOString())}.`;

/** Whether a state has lasted so long that it is worth a line. */
function useIsLate(isOn: boolean): boolean {
  const [late, setLate] = useState(false);
  useEffect(() => {
    setLate(false);
    if (!isOn) return;
    const timer = setTimeout(() => setLate(true), PATIENCE_MS);
    return () => clearTimeout(timer);
  }, [isOn]);
  return isOn && late;
}
