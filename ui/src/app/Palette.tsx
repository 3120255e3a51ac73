import '@mantine/core/styles/Overlay.css';
import '@mantine/core/styles/ModalBase.css';
import '@mantine/core/styles/Modal.css';
import { Modal, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useRouter } from '@tanstack/react-router';
import { useMemo, useState } from 'react';
import * as ask from '../api/queries';
import { Icon, type IconName } from '../parts/Icon';
import css from './palette.module.css';
import { at } from './paths';
import { ALL_PLACES } from './places';
import { ranked } from './ranked';

interface Entry {
  name: string;
  kind: string;
  icon: IconName;
  href: string;
}

/** Everything that has a page, by name. */
export default function Palette({ onClose }: { onClose: () => void }) {
  const [words, setWords] = useState('');
  const [current, setCurrent] = useState(0);
  const router = useRouter();
  const entries = useEntries();
  const found = useMemo(() => ranked(entries, words).slice(0, 40), [entries, words]);
  const go = (entry: Entry | undefined) => {
    if (!entry) return;
    onClose();
    router.history.push(entry.href);
  };
  const onKey = (event: React.KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      event.preventDefault();
      setCurrent((now) => Math.max(0, Math.min(found.length - 1, now + step)));
    } else if (event.key === 'Enter') go(found[current]);
  };
  return (
    <Modal
      opened
      onClose={onClose}
      withCloseButton={false}
      size={560}
      padding={0}
      yOffset="12vh"
      aria-label="Search and commands"
    >
      <TextInput
        data-autofocus
        variant="unstyled"
        className={css.input}
        leftSection={<Icon name="search" size={16} />}
        placeholder="A page, turn, run, model, deployment, dataset"
        aria-label="Search"
        role="combobox"
        aria-expanded
        aria-controls="palette-list"
        aria-activedescendant={found[current] ? `palette-${current}` : undefined}
        value={words}
        onChange={(event) => {
          setWords(event.currentTarget.value);
          setCurrent(0);
        }}
        onKeyDown={onKey}
      />
      <div id="palette-list" role="listbox" aria-label="Found" className={css.list}>
        {found.map((entry, index) => (
          // biome-ignore lint/a11y/useKeyWithClickEvents: the field above holds the keyboard
          <div
            key={entry.href + entry.name}
            id={`palette-${index}`}
            role="option"
            tabIndex={-1}
            aria-selected={index === current}
            className={css.entry}
            onClick={() => go(entry)}
            onMouseMove={() => setCurrent(index)}
            ref={index === current ? (node) => node?.scrollIntoView({ block: 'nearest' }) : undefined}
          >
            <Icon name={entry.icon} size={15} />
            <span className="cut">{entry.name}</span>
            <span className={css.kind}>{entry.kind}</span>
          </div>
        ))}
      </div>
      {found.length === 0 && <p className={css.none}>Nothing is called that.</p>}
    </Modal>
  );
}

function useEntries(): Entry[] {
  const { data: turns = [] } = useQuery(ask.turns());
  const { data: models = [] } = useQuery(ask.models());
  const { data: deployments = [] } = useQuery(ask.deployments());
  const { data: datasets = [] } = useQuery(ask.datasets());
  const { data: alerts = [] } = useQuery(ask.alerts());
  const { data: pipelines = [] } = useQuery(ask.pipelineRuns());
  const { data: experiments = [] } = useQuery(ask.experiments());
  return [
    ...ALL_PLACES.map((place) => ({ name: place.name, kind: 'page', icon: place.icon, href: place.path })),
    ...deployments.map(({ deployment: { name } }) => entry(name, 'deployment', 'serve', at.deployment(name))),
    ...models.map(({ model: { name } }) => entry(name, 'model', 'model', at.model(name))),
    ...turns.map((turn) =>
      entry(`${turn.loop}~${turn.number}`, 'turn', 'turn', at.turn(`${turn.loop}~${turn.number}`)),
    ),
    ...datasets.map(({ dataset: { name } }) => entry(name, 'dataset', 'data', at.dataset(name))),
    ...experiments.map((one) =>
      entry(
        one.name,
        'experiment',
        'runs',
        `/runs?experiment=${encodeURIComponent(JSON.stringify(one.experiment_id))}`,
      ),
    ),
    ...alerts.map((one) => {
      const id = `${one.deployment}!${one.number}`;
      return entry(`${id} ${one.summary}`, 'alert', 'bell', at.alert(id));
    }),
    ...pipelines.map((run) => entry(`${run.pipeline} ${run.id}`, 'pipeline run', 'pipeline', at.pipelineRun(run.id))),
  ];
}

const entry = (name: string, kind: string, icon: IconName, href: string): Entry => ({ name, kind, icon, href });
