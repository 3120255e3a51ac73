import { ActionIcon, useMantineColorScheme } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useLocation } from '@tanstack/react-router';
import * as ask from '../api/queries';
import type { Need } from '../api/types';
import { briefOf } from '../parts/brief';
import { begun } from '../parts/format';
import { Go } from '../parts/Go';
import { Icon, type IconName } from '../parts/Icon';
import { State } from '../parts/State';
import { useDropdown } from '../parts/useDropdown';
import { Account } from './Account';
import { crumbsOf } from './crumbs';
import { encoded } from './paths';
import css from './shell.module.css';

const NEXT = { auto: 'light', light: 'dark', dark: 'auto' } as const;
const SCHEME: Record<keyof typeof NEXT, { icon: IconName; word: string }> = {
  auto: { icon: 'auto', word: 'Colours follow the system' },
  light: { icon: 'sun', word: 'Light colours' },
  dark: { icon: 'moon', word: 'Dark colours' },
};

export const NEED_STATE: Record<string, [state: string, word: string]> = {
  approval: ['OPEN', 'Approve'],
  gate: ['REJECTED', 'Not judged'],
  alert: ['firing', 'Firing'],
  data: ['QUARANTINED', 'Quarantined'],
  rollout: ['PAUSED', 'Held'],
  turn: ['FAILED', 'Failed'],
  pipeline_run: ['FAILED', 'Failed'],
  revision: ['QUARANTINED', 'Down'],
  process: ['FAILED', 'Missing'],
  webhook: ['FAILED', 'Given up'],
  feedback: ['FAILED', 'Lost'],
  loop: ['PAUSED', 'Paused'],
  notification: ['FAILED', 'Not told'],
  audit: ['FAILED', 'Anchor'],
};

export function TopBar({ onSearch, onKeys }: { onSearch: () => void; onKeys: () => void }) {
  const { pathname } = useLocation();
  const crumbs = crumbsOf(pathname);
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const scheme = SCHEME[colorScheme];
  return (
    <header className={css.bar}>
      <nav aria-label="Breadcrumb" style={{ minWidth: 0 }}>
        <ol className={css.crumbs}>
          {crumbs.map((crumb, index) => (
            <li key={crumb.href}>
              {index < crumbs.length - 1 ? (
                <Go href={crumb.href}>{crumb.name}</Go>
              ) : (
                <span aria-current="page">{crumb.name}</span>
              )}
            </li>
          ))}
        </ol>
      </nav>
      <div className={css.tools}>
        <button type="button" className={css.search} onClick={onSearch}>
          <Icon name="search" />
          <span>Search or go to</span>
          <kbd>Ctrl K</kbd>
        </button>
        <Bell />
        <ActionIcon
          variant="subtle"
          color="gray"
          title={scheme.word}
          onClick={() => setColorScheme(NEXT[colorScheme])}
          aria-label={`${scheme.word}; change`}
        >
          <Icon name={scheme.icon} size={16} />
        </ActionIcon>
        <ActionIcon
          title="Keyboard shortcuts (?)"
          variant="subtle"
          color="gray"
          onClick={onKeys}
          aria-label="Keyboard shortcuts"
        >
          <Icon name="keys" size={16} />
        </ActionIcon>
        <Account />
      </div>
    </header>
  );
}

function Bell() {
  const { box, open, setOpen } = useDropdown();
  const { data: status } = useQuery(ask.status());
  const needs = status?.needs ?? [];
  const label = needs.length ? `Needs you: ${needs.length}` : 'Nothing needs you';
  return (
    <div ref={box} className={css.bellBox}>
      <ActionIcon
        variant="subtle"
        color="gray"
        aria-label={label}
        aria-expanded={open}
        onClick={() => setOpen(!open)}
        className={css.bell}
      >
        <span className={css.bell}>
          <Icon name="bell" size={16} />
          {needs.length > 0 && <b>{needs.length}</b>}
        </span>
      </ActionIcon>
      {open && (
        <div className={css.needs} role="dialog" aria-label="What needs you">
          {needs.length === 0 && (
            <p className="soft" style={{ padding: 8 }}>
              Nothing needs you now.
            </p>
          )}
          {needs.map((need) => (
            <NeedLink key={need.kind + need.id} need={need} onClick={() => setOpen(false)} />
          ))}
        </div>
      )}
    </div>
  );
}

function NeedLink({ need, onClick }: { need: Need; onClick: () => void }) {
  const [state, word] = NEED_STATE[need.kind] ?? [need.kind, need.kind];
  return (
    <Go href={encoded(need.link)} onClick={onClick}>
      <span>
        <State state={state} word={word} plain />
      </span>
      <span>{briefOf(begun(need.sentence))}</span>
    </Go>
  );
}
