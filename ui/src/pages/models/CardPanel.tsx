import { Button, Textarea } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { api, seg } from '../../api/client';
import * as ask from '../../api/queries';
import type { Card, CardField } from '../../api/types';
import { Asked } from '../../parts/Asked';
import { useAct } from '../../parts/act';
import { Markdown } from '../../parts/Markdown';
import { Facts, Panel } from '../../parts/Panel';
import css from './models.module.css';

/** The version's card: what people wrote, and what was recorded, with a document to hand on. */
export function CardPanel({ model, number }: { model: string; number: number }) {
  const card = useQuery(ask.card(model, number));
  const address = api(`/models/${seg(model)}/versions/${number}/card.md`);
  const missing = card.data?.missing_count ?? 0;
  return (
    <Panel
      title="Model card"
      aside={
        <>
          {card.data && (
            <span className={missing ? 'soft' : 'faint'}>
              {missing ? `${missing} of ${card.data.fields.length} to fill in` : 'complete'}
            </span>
          )}
          <a href={address} download={`${model}-${number}.md`}>
            Markdown
          </a>
        </>
      }
    >
      <Asked of={card} lines={8}>
        {(found) => (
          <div className="stack">
            {found.fields.map((field) => (
              <FieldOf key={field.name} card={found} field={field} />
            ))}
            <div>
              {found.sections.map((section) => (
                <details key={section.title} className={css.section}>
                  <summary>{section.title}</summary>
                  <Facts of={section.rows.map(([name, value]) => [name, value] as [string, string])} />
                </details>
              ))}
            </div>
          </div>
        )}
      </Asked>
    </Panel>
  );
}

function FieldOf({ card, field }: { card: Card; field: CardField }) {
  const [text, setText] = useState<string>();
  const act = useAct();
  const close = () => setText(undefined);
  if (text === undefined)
    return (
      <div className={css.field}>
        <div className="row apart">
          <h3>{field.question}</h3>
          <Button
            size="compact-xs"
            variant="subtle"
            color="gray"
            onClick={() => setText(field.text ?? '')}
            aria-label={`${field.text ? 'Edit' : 'Fill in'}: ${field.question}`}
          >
            {field.text ? 'Edit' : 'Fill in'}
          </Button>
        </div>
        {field.text ? <Markdown text={field.text} /> : <p className="faint">Not filled in yet.</p>}
      </div>
    );
  return (
    <form
      className="tight"
      aria-label={field.question}
      onSubmit={(event) => {
        event.preventDefault();
        const path = `/models/${seg(card.model)}/versions/${card.number}/card`;
        act.mutate({ path, body: { fields: { [field.name]: text } }, done: 'The card is kept' }, { onSuccess: close });
      }}
    >
      <Textarea
        size="xs"
        label={field.question}
        autoFocus
        rows={4}
        maxLength={20_000}
        value={text}
        onChange={(event) => setText(event.currentTarget.value)}
      />
      <div className="row">
        <Button type="submit" size="compact-sm" loading={act.isPending}>
          Keep
        </Button>
        <Button size="compact-sm" variant="subtle" color="gray" onClick={close}>
          Leave it
        </Button>
        {field.earlier && (
          <Button size="compact-sm" variant="default" onClick={() => setText(field.earlier ?? '')}>
            As version {field.earlier_number} says
          </Button>
        )}
      </div>
    </form>
  );
}
