import '@mantine/core/styles/Overlay.css';
import '@mantine/core/styles/ModalBase.css';
import '@mantine/core/styles/Drawer.css';
import { Drawer } from '@mantine/core';
import { useEffect, useRef, useState } from 'react';
import { logPiece } from '../../api/client';
import type { Attempt } from '../../api/types';
import { ProblemBox } from '../../parts/Asked';
import { State } from '../../parts/State';
import css from './pipelines.module.css';

const POLL_MS = 1000;

/** What an attempt printed, growing while it runs; only what is new is asked for. */
export function LogDrawer({ attempt, onClose }: { attempt: Attempt; onClose: () => void }) {
  const { text, error } = useLog(attempt.id, !attempt.finished_at);
  const end = useRef<HTMLDivElement>(null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: new text means a new end
  useEffect(() => end.current?.scrollIntoView({ block: 'end' }), [text]);
  return (
    <Drawer
      opened
      onClose={onClose}
      position="right"
      size="xl"
      title={
        <span className="row">
          Log of {attempt.step} #{attempt.number} <State state={attempt.state} />
        </span>
      }
    >
      {error ? <ProblemBox error={error} /> : null}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so a keyboard must reach it */}
      <pre className={css.log} tabIndex={0} role="log" aria-label="Log">
        {text || (attempt.finished_at ? 'It printed nothing.' : 'Nothing printed so far.')}
      </pre>
      <div ref={end} />
    </Drawer>
  );
}

function useLog(id: string, growing: boolean): { text: string; error: unknown } {
  const [text, setText] = useState('');
  const [error, setError] = useState<unknown>();
  useEffect(() => {
    let offset = 0;
    let stopped = false;
    let timer: ReturnType<typeof setTimeout>;
    setText('');
    const ask = async () => {
      try {
        const piece = await logPiece(id, offset);
        if (stopped) return;
        const more = piece.next > offset;
        offset = piece.next;
        if (piece.text) setText((before) => before + piece.text);
        if (growing || more) timer = setTimeout(ask, more ? 0 : POLL_MS);
      } catch (problem) {
        if (!stopped) setError(problem);
      }
    };
    void ask();
    return () => {
      stopped = true;
      clearTimeout(timer);
    };
  }, [id, growing]);
  return { text, error };
}
