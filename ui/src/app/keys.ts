import { useRouter } from '@tanstack/react-router';
import { useEffect, useRef } from 'react';
import { isTyping } from '../parts/rowKeys';
import { ALL_PLACES } from './places';

const SEQUENCE_MS = 1200;

/** The keys that work on every page. */
export function useShortcuts(actions: { openPalette: () => void; openSheet: () => void }) {
  const router = useRouter();
  const latest = useRef(actions);
  latest.current = actions;
  useEffect(() => {
    let pressedG = 0;
    const onKey = (event: KeyboardEvent) => {
      if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'k') {
        event.preventDefault();
        latest.current.openPalette();
        return;
      }
      if (isTyping(event) || event.ctrlKey || event.metaKey || event.altKey) return;
      const place = Date.now() - pressedG < SEQUENCE_MS && ALL_PLACES.find((one) => one.key === event.key);
      pressedG = event.key === 'g' ? Date.now() : 0;
      if (place) {
        event.preventDefault();
        router.history.push(place.path);
      } else if (event.key === '?') {
        event.preventDefault();
        latest.current.openSheet();
      } else if (event.key === '/') {
        const filter = document.querySelector<HTMLInputElement>('[data-filter]');
        if (filter) {
          event.preventDefault();
          filter.focus();
          filter.select();
        }
      }
    };
    // before the page's own keys, so that the letter of "g r" never also rolls back
    window.addEventListener('keydown', onKey, { capture: true });
    return () => window.removeEventListener('keydown', onKey, { capture: true });
  }, [router]);
}

export const SHEET: [keys: string[], does: string][] = [
  [['Ctrl', 'K'], 'Search and commands'],
  [['?'], 'This sheet'],
  [['/'], 'Go to the filter of the page'],
  [['J'], 'Next row'],
  [['K'], 'Previous row'],
  [['Enter'], 'Open the row'],
  [['X'], 'Select the run, in the table of runs'],
  [['C'], 'Compare the selected runs'],
  [['R'], 'Roll back, on the page of a deployment'],
  [['Esc'], 'Close what is open'],
  ...ALL_PLACES.map((place): [string[], string] => [['G', place.key.toUpperCase()], place.name]),
];
