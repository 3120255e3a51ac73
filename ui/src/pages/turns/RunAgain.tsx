import '@mantine/core/styles/Overlay.css';
import '@mantine/core/styles/ModalBase.css';
import '@mantine/core/styles/Modal.css';
import { Button, Modal, TextInput } from '@mantine/core';
import { useState } from 'react';
import { seg } from '../../api/client';
import type { PipelineRun, PipelineSpec, Turn } from '../../api/types';
import { useAct } from '../../parts/act';
import { changed, parametersOf, textsOf } from './parameters';
import { turnId } from './TurnTable';

/** Begins a turn of the same loop with the parameters of this one, which can be edited first. */
export function TurnAgain({ turn, spec }: { turn: Turn; spec: PipelineSpec }) {
  return (
    <RunAgain
      name={turn.loop}
      spec={spec}
      before={turn.params}
      path={`/loops/${seg(turn.loop)}/turns`}
      body={{ reason: `${turnId(turn)} was run again` }}
      done={`A turn of ${turn.loop} began`}
    />
  );
}

/** Begins a run of the same pipeline with the parameters of this one, which can be edited first. */
export function PipelineAgain({ run }: { run: PipelineRun }) {
  return (
    <RunAgain
      name={run.pipeline}
      spec={run.spec}
      before={run.params}
      path={`/pipelines/${seg(run.pipeline)}/runs`}
      body={{}}
      done={`A run of ${run.pipeline} began`}
    />
  );
}

interface Again {
  name: string;
  spec: PipelineSpec;
  before: Record<string, unknown> | undefined;
  path: string;
  body: Record<string, unknown>;
  done: string;
}

function RunAgain({ name, spec, before, path, body, done }: Again) {
  const [isOpen, setOpen] = useState(false);
  const [edited, setEdited] = useState<Record<string, string>>({});
  const act = useAct();
  const present = parametersOf(spec);
  const shown = { ...present, ...textsOf(before), ...edited };
  const params = changed(present, shown, Object.keys(before ?? {}));
  return (
    <>
      <Button size="compact-sm" variant="default" onClick={() => setOpen(true)}>
        Run again
      </Button>
      <Modal opened={isOpen} onClose={() => setOpen(false)} title={`Run ${name} again`}>
        <form
          className="stack"
          onSubmit={(event) => {
            event.preventDefault();
            act.mutate({ path, body: { ...body, params }, done }, { onSuccess: () => setOpen(false) });
          }}
        >
          {Object.entries(shown).map(([parameter, text]) => (
            <TextInput
              key={parameter}
              label={parameter}
              value={text}
              onChange={(event) => {
                const value = event.currentTarget.value;
                setEdited((others) => ({ ...others, [parameter]: value }));
              }}
            />
          ))}
          {Object.keys(shown).length === 0 && <p className="soft">Its pipeline has no parameters.</p>}
          <Button type="submit" loading={act.isPending}>
            Run
          </Button>
        </form>
      </Modal>
    </>
  );
}
