import { Button, Checkbox, Popover, TextInput } from '@mantine/core';
import { useState } from 'react';
import { Icon } from '../../parts/Icon';
import type { RunColumn } from './columns';
import css from './runs.module.css';

const MOST = 200;

/** Which metrics and parameters stand in the table. */
export function ColumnPicker({
  all,
  shown,
  onSet,
}: {
  all: RunColumn[];
  shown: RunColumn[];
  onSet: (columns: string | undefined) => void;
}) {
  const [words, setWords] = useState('');
  const picked = new Set(shown.map((column) => column.id));
  const toggle = (id: string) => {
    const next = picked.has(id) ? shown.filter((one) => one.id !== id).map((one) => one.id) : [...picked, id];
    onSet(next.join(','));
  };
  const found = all.filter((column) => column.id.toLowerCase().includes(words.toLowerCase())).slice(0, MOST);
  return (
    <Popover position="bottom-end" shadow="md">
      <Popover.Target>
        <Button size="compact-sm" variant="default" leftSection={<Icon name="columns" />}>
          Columns
        </Button>
      </Popover.Target>
      <Popover.Dropdown p={8}>
        <div className={css.picker}>
          <TextInput
            size="xs"
            aria-label="Search columns"
            placeholder={`Search ${all.length} columns`}
            value={words}
            onChange={(event) => setWords(event.currentTarget.value)}
          />
          <div className={css.pickerList}>
            {found.map((column) => (
              <Checkbox
                key={column.id}
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
            ))}
          </div>
          <Button size="compact-xs" variant="subtle" color="gray" onClick={() => onSet(undefined)}>
            Back to the first few
          </Button>
        </div>
      </Popover.Dropdown>
    </Popover>
  );
}
