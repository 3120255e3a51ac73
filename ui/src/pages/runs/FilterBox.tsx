import { TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { type KeyboardEvent, useEffect, useRef, useState } from 'react';
import { get } from '../../api/client';
import type { Page } from '../../api/types';
import { Icon } from '../../parts/Icon';
import type { RunColumn } from './columns';
import { asOptions, completed, completion, type Option } from './complete';
import css from './runs.module.css';

interface FilterBoxProps {
  value: string;
  columns: RunColumn[];
  wrong: boolean;
  onSet: (filter: string) => void;
}

/** The filter, completed as one types: keys, comparisons, values that runs have. Enter asks the server. */
export function FilterBox({ value, columns, wrong, onSet }: FilterBoxProps) {
  const [text, setText] = useState(value);
  const [caret, setCaret] = useState(value.length);
  const [open, setOpen] = useState(false);
  const [current, setCurrent] = useState(-1);
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => setText(value), [value]);
  const at = completion(text, caret, columns);
  const values = useQuery({
    queryKey: ['run-values', at.valuesOf],
    queryFn: async ({ signal }) =>
      (await get<Page<string>>('/runs/values', { ...at.valuesOf, limit: 12 }, signal)).items,
    enabled: open && at.valuesOf !== undefined,
    retry: false,
  });
  const options = at.valuesOf ? asOptions(values.data ?? []) : at.options;
  const shown = open && options.length > 0;
  const take = (option: Option) => {
    const [next, place] = completed(text, at, option);
    setText(next);
    setCaret(place);
    setCurrent(-1);
    requestAnimationFrame(() => input.current?.setSelectionRange(place, place));
  };
  const submit = () => {
    setOpen(false);
    onSet(text.trim());
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === 'Escape') {
      setOpen(false);
      if (!shown) input.current?.blur();
    } else if ((event.key === 'ArrowDown' || event.key === 'ArrowUp') && options.length) {
      event.preventDefault();
      setOpen(true);
      const step = event.key === 'ArrowDown' ? 1 : -1;
      setCurrent((now) => (now + step + options.length + (now < 0 && step < 0 ? 1 : 0)) % options.length);
    } else if (event.key === 'Tab' && shown && !event.shiftKey) {
      const option = options[Math.max(0, current)];
      if (option && text.trim()) {
        event.preventDefault();
        take(option);
      }
    } else if (event.key === 'Enter') {
      event.preventDefault();
      const option = options[current];
      if (shown && option) take(option);
      else submit();
    }
  };
  return (
    <form className={css.filter} role="search" onSubmit={(event) => event.preventDefault()}>
      <TextInput
        ref={input}
        size="xs"
        data-filter=""
        aria-label="Filter"
        role="combobox"
        aria-autocomplete="list"
        aria-expanded={shown}
        aria-controls="filter-options"
        aria-activedescendant={shown && current >= 0 ? `filter-option-${current}` : undefined}
        aria-invalid={wrong || undefined}
        error={wrong}
        autoComplete="off"
        spellCheck={false}
        placeholder={"metrics.accuracy > 0.9 AND params.c = '0.1'"}
        leftSection={<Icon name="search" size={13} />}
        rightSection={
          text ? (
            <Clear
              onClick={() => {
                setText('');
                onSet('');
                input.current?.focus();
              }}
            />
          ) : (
            <kbd>/</kbd>
          )
        }
        value={text}
        onChange={(event) => {
          setText(event.currentTarget.value);
          setCaret(event.currentTarget.selectionStart ?? 0);
          setCurrent(-1);
          setOpen(true);
        }}
        onSelect={(event) => setCaret(event.currentTarget.selectionStart ?? 0)}
        onKeyDown={onKeyDown}
        onClick={() => setOpen(true)}
        onBlur={() => {
          setOpen(false);
          if (text.trim() !== value) onSet(text.trim());
        }}
      />
      <div id="filter-options" role="listbox" aria-label="Completions" className={css.options} hidden={!shown}>
        {shown &&
          options.map((option, index) => (
            // biome-ignore lint/a11y/useKeyWithClickEvents: the keys are those of the text field
            <div
              key={option.text}
              id={`filter-option-${index}`}
              role="option"
              tabIndex={-1}
              aria-selected={index === current}
              onMouseDown={(event) => event.preventDefault()}
              onClick={() => take(option)}
            >
              <span className="mono cut">{option.text}</span>
              <span className="faint nowrap">{option.hint}</span>
            </div>
          ))}
      </div>
    </form>
  );
}

function Clear({ onClick }: { onClick: () => void }) {
  return (
    <button
      type="button"
      className={css.clear}
      aria-label="Show all runs"
      onMouseDown={(event) => event.preventDefault()}
      onClick={onClick}
    >
      <Icon name="cross" size={11} />
    </button>
  );
}
