import { Button } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useEffect } from 'react';
import { Problem, post } from '../../api/client';
import { counted } from '../../parts/format';
import { Icon } from '../../parts/Icon';
import { dismiss, notify } from '../../parts/notify';
import { onPlainKey } from './RunGrid';
import css from './runs.module.css';

interface SelectionBarProps {
  ids: string[];
  archived: boolean;
  onCompare: () => void;
  onNone: () => void;
}

const PIECE = 1000;

async function inPieces(path: string, ids: string[]): Promise<void> {
  for (let at = 0; at < ids.length; at += PIECE) await post(path, { run_ids: ids.slice(at, at + PIECE) });
}

/** What can be done with the selected runs. Archiving is undone from the message that tells of it. */
export function SelectionBar({ ids, archived, onCompare, onNone }: SelectionBarProps) {
  const client = useQueryClient();
  const verb = archived ? 'restore' : 'archive';
  const back = archived ? 'archive' : 'restore';
  const act = useMutation({
    mutationFn: (path: string) => inPieces(path, ids),
    onSuccess: async () => {
      const undo = () => void inPieces(`/runs/${back}`, ids).then(() => client.invalidateQueries());
      onNone();
      await client.invalidateQueries();
      void notify({
        id: 'archived',
        color: 'green',
        autoClose: 8000,
        message: (
          <span className="row">
            {counted(ids.length, 'run')} {verb}d
            <Button
              size="compact-xs"
              variant="default"
              onClick={() => {
                undo();
                void dismiss('archived');
              }}
            >
              Undo
            </Button>
          </span>
        ),
      });
    },
    onError: (error) =>
      void notify({ title: error.message, message: error instanceof Problem ? error.hint : '', color: 'red' }),
  });
  useEffect(() => onPlainKey('c', () => ids.length > 1 && onCompare()), [ids.length, onCompare]);
  useEffect(() => onPlainKey('Escape', onNone), [onNone]);
  return (
    <div className={css.bar} role="toolbar" aria-label="Selected runs">
      <strong>{counted(ids.length, 'run')} selected</strong>
      <Button size="compact-sm" disabled={ids.length < 2} onClick={onCompare} leftSection={<Icon name="columns" />}>
        Compare <kbd className={css.key}>c</kbd>
      </Button>
      <Button
        size="compact-sm"
        variant="default"
        loading={act.isPending}
        leftSection={<Icon name="box" />}
        onClick={() => act.mutate(`/runs/${verb}`)}
      >
        {archived ? 'Restore' : 'Archive'}
      </Button>
      <Button size="compact-sm" variant="subtle" color="gray" onClick={onNone}>
        Clear <kbd className={css.key}>Esc</kbd>
      </Button>
    </div>
  );
}
