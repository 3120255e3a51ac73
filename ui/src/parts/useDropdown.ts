import { type RefObject, useEffect, useRef, useState } from 'react';

interface Dropdown {
  box: RefObject<HTMLDivElement | null>;
  open: boolean;
  setOpen: (open: boolean) => void;
}

/** Whether a box below a button is open; a press elsewhere and Escape close it. */
export function useDropdown(): Dropdown {
  const [open, setOpen] = useState(false);
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (!open) return;
    const onPress = (event: PointerEvent) => !box.current?.contains(event.target as Node) && setOpen(false);
    const onKey = (event: KeyboardEvent) => event.key === 'Escape' && setOpen(false);
    document.addEventListener('pointerdown', onPress);
    document.addEventListener('keydown', onKey);
    return () => {
      document.removeEventListener('pointerdown', onPress);
      document.removeEventListener('keydown', onKey);
    };
  }, [open]);
  return { box, open, setOpen };
}
