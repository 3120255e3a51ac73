import '@mantine/core/styles/Overlay.css';
import '@mantine/core/styles/ModalBase.css';
import '@mantine/core/styles/Modal.css';
import { Button, CloseButton, Modal, TextInput } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { type DragEvent, useEffect, useId, useRef, useState } from 'react';
import { putBlob } from '../../api/blob';
import { get, post, seg } from '../../api/client';
import * as ask from '../../api/queries';
import type { DatasetVersion, FileEntry, Page } from '../../api/types';
import { at } from '../../app/paths';
import { ProblemBox } from '../../parts/Asked';
import { bytes } from '../../parts/format';
import { Icon } from '../../parts/Icon';
import { notify } from '../../parts/notify';
import { filesAfter, MOST_BYTES, type Mode, sentenceOf, whyNoName, whyNot } from './upload';
import css from './upload.module.css';

interface UploadProps {
  /** The dataset that gets a version; without one it is a new one, and the form asks for its name. */
  dataset?: string;
  /** The id of what `main` points to, "" for nothing. */
  head?: string;
}

/** A button that opens the form for an upload. */
export function Upload({ dataset = '', head = '' }: UploadProps) {
  const [isOpen, setOpen] = useState(false);
  const title = dataset ? `A new version of ${dataset}` : 'A new dataset';
  return (
    <>
      <Button size="compact-sm" variant="default" onClick={() => setOpen(true)}>
        {dataset ? 'Upload a version' : 'Upload a dataset'}
      </Button>
      <Modal opened={isOpen} onClose={() => setOpen(false)} title={title} size={560}>
        <Form dataset={dataset} head={head} onDone={() => setOpen(false)} />
      </Modal>
    </>
  );
}

interface Order {
  name: string;
  files: File[];
  mode: Mode;
  message: string;
}

function Form({ dataset, head, onDone }: Required<UploadProps> & { onDone: () => void }) {
  const [name, setName] = useState(dataset);
  const [message, setMessage] = useState('');
  const [files, setFiles] = useState<File[]>([]);
  const [mode, setMode] = useState<Mode>('replace');
  const upload = useUpload(head, onDone);
  const { data: datasets = [] } = useQuery(ask.datasets());
  const others = datasets.map((one) => one.dataset.name);
  const why = (dataset ? '' : whyNoName(name.trim(), others)) || whyNot(files);
  const isReady = files.length > 0 && !why && name.trim() !== '' && !upload.isPending;
  return (
    <form
      className="stack"
      onSubmit={(event) => {
        event.preventDefault();
        if (isReady) upload.mutate({ name: name.trim(), files, mode, message: message.trim() });
      }}
    >
      {!dataset && (
        <TextInput
          label="Name"
          placeholder="customers"
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
          data-autofocus
        />
      )}
      <Drop onFiles={(added) => setFiles((before) => [...before, ...added])} />
      {files.length > 0 && (
        <ul className={css.files} aria-label="Chosen files">
          {files.map((file, place) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: two files may have one name, which is then said
            <li key={`${place} ${file.name}`}>
              <span className="mono cut">{file.name}</span>
              <span className="faint nowrap">{bytes(file.size)}</span>
              <CloseButton
                size="xs"
                aria-label={`Leave out ${file.name}`}
                onClick={() => setFiles(files.filter((other) => other !== file))}
              />
            </li>
          ))}
        </ul>
      )}
      {why && (
        <p role="alert" className={css.why}>
          {why}
        </p>
      )}
      {head && <Modes mode={mode} onMode={setMode} />}
      <TextInput
        label="Message"
        description="What it says in the list of versions; may be empty."
        value={message}
        onChange={(event) => setMessage(event.currentTarget.value)}
      />
      {upload.isError && <ProblemBox error={upload.error} />}
      {upload.isPending && <Progress sent={upload.sent} of={files.reduce((sum, file) => sum + file.size, 0)} />}
      <Button type="submit" disabled={!isReady} loading={upload.isPending}>
        Upload
      </Button>
    </form>
  );
}

/** Sends the files one after the other, then commits them as one version of `main`. */
function useUpload(head: string, onDone: () => void) {
  const [sent, setSent] = useState(0);
  const stop = useRef<AbortController>(undefined);
  const client = useQueryClient();
  const navigate = useNavigate();
  useEffect(() => () => stop.current?.abort(), []);
  const mutation = useMutation({
    mutationFn: async ({ name, files, mode, message }: Order) => {
      stop.current = new AbortController();
      const added: FileEntry[] = [];
      let before = 0;
      setSent(0);
      for (const file of files) {
        const start = before;
        const blob = await putBlob(file, (count) => setSent(start + count), stop.current.signal);
        added.push([file.name.normalize('NFC'), blob.size, blob.hash]);
        before += file.size;
        setSent(before);
      }
      const path = `/datasets/${seg(name)}/versions`;
      const old = mode === 'append' ? (await get<Page<FileEntry>>(`${path}/${seg(head)}/files`)).items : [];
      return post<DatasetVersion>(path, {
        files: filesAfter(old, added, mode),
        message: message || sentenceOf(old, added, mode),
        expected: head,
      });
    },
    onSuccess: (version) => {
      onDone();
      const isDraft = version.audit?.state === 'waiting';
      const said = isDraft ? 'is a draft until it has passed its checks' : 'is on main';
      void notify({ message: `Version ${version.sequence} of ${version.dataset} ${said}.`, color: 'green' });
      void navigate({ href: at.dataset(version.dataset, version.id) });
      return client.invalidateQueries();
    },
  });
  return { ...mutation, sent };
}

function Drop({ onFiles }: { onFiles: (files: File[]) => void }) {
  const [isOver, setOver] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  const id = useId();
  const take = (list: FileList | null) => list && onFiles([...list]);
  const over = (event: DragEvent, value: boolean) => {
    event.preventDefault();
    setOver(value);
  };
  return (
    // the label names the input, which the keyboard reaches; the area around it only takes what is dropped
    <label
      htmlFor={id}
      className={css.drop}
      data-over={isOver}
      onDragOver={(event) => over(event, true)}
      onDragLeave={(event) => over(event, false)}
      onDrop={(event) => {
        over(event, false);
        take(event.dataTransfer.files);
      }}
    >
      <Icon name="data" size={20} />
      <span>
        <strong>Drop files here</strong> or choose them
      </span>
      <span className="faint">CSV, JSON lines, Parquet, Arrow, pictures: at most {bytes(MOST_BYTES)} in all</span>
      <input
        ref={input}
        id={id}
        type="file"
        multiple
        className="hidden"
        onChange={(event) => {
          take(event.currentTarget.files);
          event.currentTarget.value = ''; // the same file may be chosen again
        }}
      />
    </label>
  );
}

const MODES: [Mode, string, string][] = [
  ['replace', 'Replace all files', 'They are the whole next version.'],
  ['append', 'Add to the files', 'They stand beside those that main points to.'],
];

function Modes({ mode, onMode }: { mode: Mode; onMode: (mode: Mode) => void }) {
  return (
    <fieldset className={css.modes}>
      <legend className="hidden">What becomes of the files before</legend>
      {MODES.map(([value, label, sentence]) => (
        <label key={value}>
          <input type="radio" name="mode" checked={mode === value} onChange={() => onMode(value)} />
          <span>
            {label} <span className="soft">{sentence}</span>
          </span>
        </label>
      ))}
    </fieldset>
  );
}

function Progress({ sent, of }: { sent: number; of: number }) {
  const share = of ? Math.min(1, sent / of) : 0;
  const words = share < 1 ? `${bytes(Math.min(sent, of))} of ${bytes(of)}` : 'Sent; the files are being looked into';
  return (
    <div className="tight">
      <progress className={css.progress} value={share} aria-label="Upload" />
      <span className="faint" role="status">
        {words}
      </span>
    </div>
  );
}
