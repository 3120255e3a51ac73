import { Button } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { seg } from '../../api/client';
import * as ask from '../../api/queries';
import type { LoopDetail, Trigger } from '../../api/types';
import { at } from '../../app/paths';
import { useAct } from '../../parts/act';
import { Go } from '../../parts/Go';
import { Panel } from '../../parts/Panel';
import { State } from '../../parts/State';
import { Table } from '../../parts/Table';
import { momentIn, triggerSentence } from './schedule';
import css from './turns.module.css';

/** The loops, what begins their turns and when, and whether they are paused. */
export function Loops() {
  const { data: loops = [] } = useQuery(ask.loops());
  if (!loops.length) return null;
  return (
    <Panel title="Loops" flush>
      <Table
        label="Loops"
        rows={loops}
        keyOf={(one) => one.loop.name}
        columns={[
          { name: 'Loop', width: '22%', cell: ({ loop }) => <Named of={loop} /> },
          { name: 'What begins a turn', cell: (one) => <Triggers of={one} /> },
          { name: '', num: true, width: '1%', cell: ({ loop }) => <Pause of={loop} /> },
        ]}
      />
    </Panel>
  );
}

function Named({ of: { name, spec, paused, pause_reason } }: { of: LoopDetail['loop'] }) {
  return (
    <div className="tight">
      {spec.pipeline.candidate ? (
        <Go href={at.model(spec.model)} style={{ fontWeight: 600 }}>
          {name}
        </Go>
      ) : (
        <strong>{name}</strong>
      )}
      {paused && <State state="PAUSED" word="Paused" />}
      {paused && <span className="soft">{pause_reason || 'No trigger begins a turn.'}</span>}
    </div>
  );
}

function Triggers({ of: { loop, triggers } }: { of: LoopDetail }) {
  if (!triggers.length) return <span className="soft">A person only</span>;
  return (
    <ul className={css.triggers}>
      {triggers.map((trigger) => (
        <li key={trigger.name}>
          {triggerSentence(trigger.spec)} <span className="soft">{stateOf(trigger, loop.paused)}</span>
        </li>
      ))}
    </ul>
  );
}

/** What a trigger does now: when it is due, what it waits for, or that it is muted; of a paused loop that says enough. */
function stateOf({ muted, due_at, pending, waits_for, spec }: Trigger, paused: boolean | undefined): string {
  if (muted) return 'muted';
  if (paused) return '';
  if (pending) return waits_for ? `waits: ${waits_for}` : 'its turn is about to begin';
  return due_at ? `next ${momentIn(due_at, spec.timezone ?? 'UTC')}` : '';
}

function Pause({ of: { name, paused } }: { of: LoopDetail['loop'] }) {
  const act = useAct();
  const done = paused ? `${name} goes on` : `${name} is paused: no trigger begins a turn`;
  return (
    <Button
      size="compact-sm"
      variant="default"
      aria-label={`${paused ? 'Resume' : 'Pause'} ${name}`}
      loading={act.isPending}
      onClick={() => act.mutate({ path: `/loops/${seg(name)}/pause`, body: { paused: !paused }, done })}
    >
      {paused ? 'Resume' : 'Pause'}
    </Button>
  );
}
