import '@mantine/core/styles/InlineInput.css';
import '@mantine/core/styles/Checkbox.css';
import '@mantine/core/styles/Popover.css';
import { Button, Checkbox, Popover, TextInput } from '@mantine/core';
import { useState } from 'react';
import { Icon } from '../../parts/Icon';
import type { RunColumn } from './columns';
import css from './runs.module.css';

const MOST = 100;

interface ColumnPickerProps {
  all: RunColumn[];
  shown: RunColumn[];
  pinned: string[];
  onSet: (columns: string[] | undefined) => void;
  onPin: (pinned: string[]) => void;
}

/** Which metrics, parameters and tags stand in the table, and which of them stay in sight while it is scrolled. */
export function ColumnPicker({ all, shown, pinned, onSet, onPin }: ColumnPickerProps) {
  const [words, setWords] = useState('');
  const picked = new Set(shown.map((column) => column.id));
  const toggle = (id: string) =>
    onSet(picked.has(id) ? shown.filter((one) => one.id !== id).map((one) => one.id) : [...picked, id]);
  const pin = (id: string) => onPin(pinned.includes(id) ? pinned.filter((one) => one !== id) : [...pinned, id]);
  const found = all.filter((column) => column.id.toLowerCase().includes(words.toLowerCase()));
  const ranked = words ? found : found.toSorted((a, b) => Number(picked.has(b.id)) - Number(picked.has(a.id)));
  return (
    <Popover position="bottom-end" shadow="md" trapFocus>
      <Popover.Target>
        <Button size="compact-sm" variant="default" leftSection={<Icon name="columns" />}>
          Columns
        </Button>
      </Popover.Target>
      <Popover.Dropdown p={10} aria-label="Columns">
        <div className={css.picker}>
          <TextInput
            size="xs"
            data-autofocus
            aria-label="Search columns"
            placeholder={`Search ${all.length} columns`}
            value={words}
            onChange={(event) => setWords(event.currentTarget.value)}
          />
          <div className={css.pickerList}>
            {ranked.slice(0, MOST).map((column) => (
              <div key={column.id} className={css.pick}>
                <Checkbox
                  size="xs"
                  label={
                    <>
                      <span className="faint">{column.kind}.</span>
                      {column.name}
                    </>
                  }
                  checked={picked.has(column.id)}
                  onChange={() => toggle(column.id)}
                />
                <button
                  type="button"
                  className={css.pin}
                  aria-pressed={pinned.includes(column.id)}
                  aria-label={`Pin ${column.id}`}
                  title={pinned.includes(column.id) ? 'Unpin' : 'Keep it in sight'}
                  onClick={() => pin(column.id)}
                >
                  <Icon name="pin" size={12} />
                </button>
              </div>
            ))}
            {found.length === 0 && <p className="soft">No column has that in its name.</p>}
            {found.length > MOST && <p className="faint">{found.length - MOST} more; search to find them.</p>}
          </div>
          <Button size="compact-xs" variant="subtle" color="gray" onClick={() => onSet(undefined)}>
            Back to the first few
          </Button>
        </div>
      </Popover.Dropdown>
    </Popover>
  );
}
