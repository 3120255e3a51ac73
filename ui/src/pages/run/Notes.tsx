import { ActionIcon, Button, Textarea } from '@mantine/core';
import { useState } from 'react';
import { seg } from '../../api/client';
import type { Run } from '../../api/types';
import { useAct } from '../../parts/act';
import { Field } from '../../parts/Field';
import { Icon } from '../../parts/Icon';
import { Markdown } from '../../parts/Markdown';
import { Panel } from '../../parts/Panel';
import css from './run.module.css';

const NOTE = 'mlflow.note.content';
const MOST = 8000;

function useTags(run: Run) {
  const act = useAct();
  const send = (body: { put?: Record<string, string>; drop?: string[] }, done: string, then?: () => void) =>
    act.mutate({ path: `/runs/${seg(run.run_id)}/tags`, body, done }, { onSuccess: then });
  return { send, busy: act.isPending };
}

/** What somebody wrote about the run, in Markdown. */
export function Note({ run }: { run: Run }) {
  const kept = run.tags?.[NOTE] ?? '';
  const [text, setText] = useState<string>();
  const { send, busy } = useTags(run);
  const close = () => setText(undefined);
  return (
    <Panel
      title="Note"
      aside={
        text === undefined && (
          <Button size="compact-xs" variant="subtle" color="gray" onClick={() => setText(kept)}>
            {kept ? 'Edit the note' : 'Write a note'}
          </Button>
        )
      }
    >
      {text === undefined ? (
        kept ? (
          <Markdown text={kept} />
        ) : (
          <p className="soft">Nobody wrote about this run yet.</p>
        )
      ) : (
        <form
          className="tight"
          onSubmit={(event) => {
            event.preventDefault();
            send(text.trim() ? { put: { [NOTE]: text } } : { drop: [NOTE] }, 'The note is kept', close);
          }}
        >
          <Textarea
            aria-label="Note"
            description="Markdown: # headings, - lists, **strong**, `code`, [links](https://…)"
            autosize={false}
            rows={8}
            autoFocus
            value={text}
            maxLength={MOST}
            onChange={(event) => setText(event.currentTarget.value)}
          />
          <div className="row">
            <Button type="submit" size="compact-sm" loading={busy}>
              Keep
            </Button>
            <Button size="compact-sm" variant="subtle" color="gray" onClick={close}>
              Leave it
            </Button>
          </div>
        </form>
      )}
    </Panel>
  );
}

/** The run's tags; those that clients write themselves stand below and are not edited. */
export function Tags({ run }: { run: Run }) {
  const [key, setKey] = useState('');
  const [value, setValue] = useState('');
  const { send, busy } = useTags(run);
  const pairs = Object.entries(run.tags ?? {}).filter(([name]) => name !== 'mlflow.runName' && name !== NOTE);
  const own = (name: string) => !/^(mlflow|helicline)\./.test(name);
  const sorted = pairs.toSorted(([a], [b]) => Number(own(b)) - Number(own(a)) || a.localeCompare(b));
  return (
    <Panel title="Tags" aside={pairs.length > 0 && <span className="faint">{pairs.length}</span>} flush>
      {sorted.length > 0 && (
        <dl className={css.pairs} tabIndex={0} aria-label="Tags">
          {sorted.map(([name, said]) => (
            <div key={name} data-editable={own(name)}>
              <dt>{name}</dt>
              <dd className="mono">
                {said}{' '}
                {own(name) && (
                  <ActionIcon
                    size="xs"
                    variant="subtle"
                    color="gray"
                    aria-label={`Remove the tag ${name}`}
                    onClick={() => send({ drop: [name] }, `${name} is removed`)}
                  >
                    <Icon name="cross" size={10} />
                  </ActionIcon>
                )}
              </dd>
            </div>
          ))}
        </dl>
      )}
      <form
        className={`row ${css.edit}`}
        style={{ flexWrap: 'nowrap' }}
        onSubmit={(event) => {
          event.preventDefault();
          send({ put: { [key.trim()]: value } }, `${key.trim()} is kept`, () => {
            setKey('');
            setValue('');
          });
        }}
      >
        <Field label="Tag" hint="tag" value={key} onSet={setKey} grow={1} />
        <Field label="Value" hint="value" value={value} onSet={setValue} grow={1} />
        <Button type="submit" size="xs" variant="default" disabled={!key.trim()} loading={busy}>
          Set
        </Button>
      </form>
    </Panel>
  );
}
