import { useRouter } from '@tanstack/react-router';
import { useCallback, useEffect, useRef, useState } from 'react';

/** True while a key press belongs to a field or an open dialog rather than to the page. */
export function isTyping(event: KeyboardEvent): boolean {
  const target = event.target as HTMLElement | null;
  if (!target) return false;
  if (target.closest('[role="dialog"]')) return true;
  return target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName);
}

/** J and K walk the rows of the page's table, Enter opens the current one. Returns the current row and how to move. */
export function useRowKeys(
  count: number,
  hrefOf: (index: number) => string | undefined,
  enabled: boolean,
  onMove?: (index: number) => void,
): [current: number, move: (by: number) => void] {
  const [current, setCurrent] = useState(-1);
  const router = useRouter();
  const latest = useRef({ count, hrefOf, current, onMove });
  latest.current = { count, hrefOf, current, onMove };
  const move = useCallback((by: number) => {
    const now = latest.current;
    const to = Math.max(0, Math.min(now.count - 1, now.current + by));
    setCurrent(to);
    now.onMove?.(to);
  }, []);
  useEffect(() => {
    if (!enabled) return;
    const onKey = (event: KeyboardEvent) => {
      const now = latest.current;
      if (event.defaultPrevented || isTyping(event) || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === 'j' || event.key === 'k') {
        move(event.key === 'j' ? 1 : -1);
      } else if (event.key === 'Enter' && now.current >= 0 && event.target === document.body) {
        const href = now.hrefOf(now.current);
        if (href) router.history.push(href);
      }
    };
    window.addEventListener('keydown', onKey);
    return () => window.removeEventListener('keydown', onKey);
  }, [enabled, router, move]);
  return [current, move];
}
