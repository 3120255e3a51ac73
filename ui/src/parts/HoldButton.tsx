import { useReducedMotion } from '@mantine/hooks';
import { type CSSProperties, type ReactNode, useRef, useState } from 'react';
import css from './parts.module.css';

const HOLD_MS = 800;

/** A button that acts only when held down; a short press (or a keyboard) asks instead. */
export function HoldButton({
  onHeld,
  onAsk,
  disabled = false,
  children,
}: {
  onHeld: () => void;
  onAsk: () => void;
  disabled?: boolean;
  children: ReactNode;
}) {
  const [holding, setHolding] = useState(false);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const done = useRef(false);
  const still = useReducedMotion();
  const begin = () => {
    if (disabled) return;
    done.current = false;
    setHolding(true);
    timer.current = setTimeout(() => {
      done.current = true;
      setHolding(false);
      onHeld();
    }, HOLD_MS);
  };
  const end = () => {
    clearTimeout(timer.current);
    setHolding(false);
  };
  return (
    <button
      type="button"
      className={css.hold}
      disabled={disabled}
      data-holding={holding && !still}
      style={{ '--hold': `${HOLD_MS}ms` } as CSSProperties}
      title="Hold to act at once; a short press asks first"
      onPointerDown={begin}
      onPointerUp={end}
      onPointerLeave={end}
      onClick={() => {
        if (!done.current) onAsk();
        done.current = false;
      }}
    >
      {children}
    </button>
  );
}
