import { ActionIcon } from '@mantine/core';
import { lazy, Suspense } from 'react';
import { useWho } from '../api/session';
import { Icon } from '../parts/Icon';
import { useDropdown } from '../parts/useDropdown';
import css from './shell.module.css';

const AccountCard = lazy(() => import('./AccountCard'));

/** Opens what one may do; that is loaded when it is first opened. */
export function Account() {
  const who = useWho();
  const { box, open, setOpen } = useDropdown();
  if (!who) return null;
  const label = `Account: ${who.name}`;
  return (
    <div ref={box} className={css.bellBox}>
      <ActionIcon
        variant="subtle"
        color="gray"
        title={label}
        aria-label={label}
        aria-expanded={open}
        onClick={() => setOpen(!open)}
      >
        <Icon name="person" size={16} />
      </ActionIcon>
      {open && (
        <div className={css.account} role="dialog" aria-label="Account">
          <Suspense>
            <AccountCard who={who} />
          </Suspense>
        </div>
      )}
    </div>
  );
}
