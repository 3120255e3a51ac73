import '@mantine/core/styles/Popover.css';
import { Button, Popover } from '@mantine/core';
import { useState } from 'react';
import { Copy } from '../../parts/Code';
import { Field } from '../../parts/Field';
import { Icon } from '../../parts/Icon';
import css from './runs.module.css';
import type { RunsSearch } from './search';

const KEY = 'helicline.runs.views';

type Saved = Record<string, RunsSearch>;

function read(): Saved {
  try {
    return JSON.parse(localStorage.getItem(KEY) ?? '{}') as Saved;
  } catch {
    return {};
  }
}

/** Named views of the table: each is an address, so it can be kept here or sent to somebody. */
export function Views({ search, onOpen }: { search: RunsSearch; onOpen: (search: RunsSearch) => void }) {
  const [saved, setSaved] = useState(read);
  const [name, setName] = useState('');
  const [open, setOpen] = useState(false);
  const keep = (next: Saved) => {
    localStorage.setItem(KEY, JSON.stringify(next));
    setSaved(next);
  };
  const names = Object.keys(saved).sort((a, b) => a.localeCompare(b));
  return (
    <Popover position="bottom-end" shadow="md" trapFocus opened={open} onChange={setOpen}>
      <Popover.Target>
        <Button size="compact-sm" variant="default" leftSection={<Icon name="star" />} onClick={() => setOpen(!open)}>
          Views
        </Button>
      </Popover.Target>
      <Popover.Dropdown p={10} aria-label="Views">
        <div className={css.picker}>
          {names.length === 0 && <p className="soft">No view is saved in this browser yet.</p>}
          <ul className="tight">
            {names.map((one) => (
              <li key={one} className={css.pick}>
                <button
                  type="button"
                  className={css.link}
                  onClick={() => {
                    setOpen(false);
                    onOpen(saved[one] ?? {});
                  }}
                >
                  {one}
                </button>
                <button
                  type="button"
                  className={css.pin}
                  aria-label={`Forget ${one}`}
                  title="Forget it"
                  onClick={() => keep(Object.fromEntries(Object.entries(saved).filter(([key]) => key !== one)))}
                >
                  <Icon name="cross" size={11} />
                </button>
              </li>
            ))}
          </ul>
          <form
            className="row"
            style={{ flexWrap: 'nowrap' }}
            onSubmit={(event) => {
              event.preventDefault();
              if (name.trim()) keep({ ...saved, [name.trim()]: { ...search, sel: undefined } });
              setName('');
            }}
          >
            <Field label="Name of the view" hint="Save this view as…" value={name} onSet={setName} grow={1} first />
            <Button type="submit" size="xs" disabled={!name.trim()}>
              Save
            </Button>
          </form>
          <p className="row faint">
            Its address shows the same to others <Copy text={location.href} what="Copy the address" />
          </p>
        </div>
      </Popover.Dropdown>
    </Popover>
  );
}
