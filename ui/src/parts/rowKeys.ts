import { useRouter } from '@tanstack/react-router';
import { useEffect, useRef, useState } from 'react';

/** True while a key press belongs to a field or an open dialog rather than to the page. */
export function isTyping(event: KeyboardEvent): boolean {
  const target = event.target as HTMLElement | null;
  if (!target) return false;
  if (target.closest('[role="dialog"]')) return true;
  return target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName);
}

/** J and K walk the rows of the page's table, Enter opens the current one. Returns the current row. */
export function useRowKeys(
  count: number,
  hrefOf: (index: number) => string | undefined,
  enabled: boolean,
  onMove?: (index: number) => void,
): number {
  const [current, setCurrent] = useState(-1);
  const router = useRouter();
  const latest = useRef({ count, hrefOf, current, onMove });
  latest.current = { count, hrefOf, current, onMove };
  useEffect(() => {
    if (!enabled) return;
    const onKey = (event: KeyboardEvent) => {
      const now = latest.current;
      if (event.defaultPrevented || isTyping(event) || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === 'j' || event.key === 'k') {
        const to = Math.max(0, Math.min(now.count - 1, now.current + (event.key === 'j' ? 1 : -1)));
        setCurrent(to);
        now.onMove?.(to);
      } else if (event.key === 'Enter' && now.current >= 0 && event.target === document.body) {
        const href = now.hrefOf(now.current);
        if (href) router.history.push(href);
      }
    };
    window.addEventListener('keydown', onKey);
    return () => window.removeEventListener('keydown', onKey);
  }, [enabled, router]);
  return current;
}
