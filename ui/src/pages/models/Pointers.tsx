import { Button, NativeSelect } from '@mantine/core';
import { type FormEvent, useState } from 'react';
import { seg } from '../../api/client';
import type { ModelDetail, Protection } from '../../api/types';
import { at } from '../../app/paths';
import { useAct } from '../../parts/act';
import { Field } from '../../parts/Field';
import { counted } from '../../parts/format';
import { Go } from '../../parts/Go';
import { Icon } from '../../parts/Icon';
import { PersonField, usePerson } from '../../parts/PersonField';
import { AliasPill } from '../../parts/State';
import { Ago } from '../../parts/Time';
import css from './models.module.css';

interface PointersProps {
  of: ModelDetail;
  /** Numbers of the versions there are, newest first. */
  versions: number[];
}

/** The aliases of a model: what each names, who must agree before it moves, and the forms to change that. */
export function Pointers({ of, versions }: PointersProps) {
  const [open, setOpen] = useState('');
  const rules = new Map((of.model.protected ?? []).map((rule) => [rule.alias, rule]));
  const unset = [...rules.keys()].filter((alias) => !of.aliases.some((one) => one.alias === alias));
  const names = [...of.aliases.map((one) => one.alias), ...unset];
  return (
    <div className="stack" style={{ gap: 10 }}>
      {names.length === 0 && <p className="soft">No alias points to a version yet.</p>}
      <ul className={css.pointers}>
        {names.map((alias) => {
          const named = of.aliases.find((one) => one.alias === alias);
          return (
            <li key={alias}>
              <div className="row">
                <AliasPill alias={alias} />
                {named ? (
                  <>
                    <Go href={at.version(of.model.name, named.number)}>version {named.number}</Go>
                    <span className="faint">
                      since <Ago at={named.updated_at} />
                      {named.updated_by && ` by ${named.updated_by}`}
                    </span>
                  </>
                ) : (
                  <span className="faint">names no version yet</span>
                )}
                <Guard rule={rules.get(alias)} />
                <span style={{ marginLeft: 'auto' }} className="row">
                  <Button size="compact-xs" variant="default" onClick={() => setOpen(open === alias ? '' : alias)}>
                    {open === alias ? 'Close' : 'Change'}
                  </Button>
                </span>
              </div>
              {open === alias && (
                <div className={css.change}>
                  <Move
                    model={of.model.name}
                    alias={alias}
                    rule={rules.get(alias)}
                    now={named?.number}
                    versions={versions}
                  />
                  <Protect model={of.model.name} alias={alias} rule={rules.get(alias)} />
                </div>
              )}
            </li>
          );
        })}
      </ul>
      {versions.length > 0 && <NewAlias model={of.model.name} versions={versions} taken={names} />}
    </div>
  );
}

function Guard({ rule }: { rule: Protection | undefined }) {
  if (!rule) return <span className="faint">moves freely</span>;
  return (
    <span className="row soft" style={{ gap: 4 }}>
      <Icon name="lock" size={12} /> protected, {rule.people} {rule.people === 1 ? 'person' : 'people'} of role{' '}
      {rule.role} must approve
    </span>
  );
}

interface MoveProps {
  model: string;
  alias: string;
  rule: Protection | undefined;
  now: number | undefined;
  versions: number[];
}

/** Move a free alias at once, or ask for a protected one. */
function Move({ model, alias, rule, now, versions }: MoveProps) {
  const choices = versions.filter((number) => number !== now);
  const [number, setNumber] = useState(choices[0] ?? 0);
  const person = usePerson();
  const [reason, setReason] = useState('');
  const act = useAct();
  if (!choices.length) return <p className="soft">There is no other version to point it to.</p>;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    act.mutate(
      rule
        ? {
            path: '/promotion-requests',
            body: { model, number, alias, person: person.name, reason },
            done: `Asked: ${counted(rule.people, 'approval')} will move @${alias} to version ${number}`,
          }
        : {
            path: `/models/${seg(model)}/aliases/${seg(alias)}`,
            body: { number },
            done: `@${alias} names version ${number}`,
          },
    );
  };
  return (
    <form className="row" onSubmit={submit} aria-label={rule ? `Ask to move ${alias}` : `Move ${alias}`}>
      <VersionSelect value={number} of={choices} onSet={setNumber} />
      {rule && (
        <>
          <PersonField person={person} />
          <Field label="Why" hint="Why it should move" value={reason} onSet={setReason} grow={1} />
        </>
      )}
      <Button type="submit" size="xs" loading={act.isPending} disabled={rule !== undefined && !person.name.trim()}>
        {rule ? 'Ask for approval' : 'Move it'}
      </Button>
    </form>
  );
}

function VersionSelect({ value, of, onSet }: { value: number; of: number[]; onSet: (number: number) => void }) {
  return (
    <NativeSelect
      size="xs"
      aria-label="Version"
      value={String(value)}
      onChange={(event) => onSet(Number(event.currentTarget.value))}
      data={of.map((number) => ({ value: String(number), label: `Version ${number}` }))}
    />
  );
}

const MOST_PEOPLE = 5;

function Protect({ model, alias, rule }: { model: string; alias: string; rule: Protection | undefined }) {
  const [people, setPeople] = useState(1);
  const act = useAct();
  const path = `/models/${seg(model)}/aliases/${seg(alias)}`;
  if (rule)
    return (
      <Button
        size="compact-xs"
        variant="subtle"
        color="gray"
        loading={act.isPending}
        onClick={() => act.mutate({ path: `${path}/unprotect`, body: {}, done: `@${alias} moves freely` })}
      >
        Lift the protection
      </Button>
    );
  return (
    <div className="row">
      <NativeSelect
        size="xs"
        aria-label="How many must approve"
        value={String(people)}
        onChange={(event) => setPeople(Number(event.currentTarget.value))}
        data={Array.from({ length: MOST_PEOPLE }, (_, at) => ({
          value: String(at + 1),
          label: at ? `${at + 1} people` : '1 person',
        }))}
      />
      <Button
        size="xs"
        variant="default"
        leftSection={<Icon name="lock" size={12} />}
        loading={act.isPending}
        onClick={() => act.mutate({ path: `${path}/protect`, body: { people }, done: `@${alias} is protected` })}
      >
        must approve: protect it
      </Button>
    </div>
  );
}

function NewAlias({ model, versions, taken }: { model: string; versions: number[]; taken: string[] }) {
  const [alias, setAlias] = useState('');
  const [number, setNumber] = useState(versions[0] ?? 0);
  const act = useAct();
  const name = alias.trim();
  return (
    <form
      className="row"
      aria-label="New alias"
      onSubmit={(event) => {
        event.preventDefault();
        act.mutate(
          {
            path: `/models/${seg(model)}/aliases/${seg(name)}`,
            body: { number },
            done: `@${name} names version ${number}`,
          },
          { onSuccess: () => setAlias('') },
        );
      }}
    >
      <Field label="Alias" hint="new alias" value={alias} onSet={setAlias} />
      <VersionSelect value={number} of={versions} onSet={setNumber} />
      <Button
        type="submit"
        size="xs"
        variant="default"
        disabled={!name || taken.includes(name)}
        loading={act.isPending}
      >
        Point it
      </Button>
    </form>
  );
}
