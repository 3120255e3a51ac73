import { Button } from '@mantine/core';
import type { UseQueryResult } from '@tanstack/react-query';
import { useState } from 'react';
import { api, seg } from '../../api/client';
import type { DatasetVersion, FileEntry, VersionProfile } from '../../api/types';
import { bytes, counted, num } from '../../parts/format';
import { Panel } from '../../parts/Panel';
import css from './data.module.css';
import { Computed } from './Profile';
import { Rows } from './Rows';

const MOST_PICTURES = 24;
const MOST_PICTURE_BYTES = 4_000_000;
const PICTURE = /\.(png|jpe?g|gif|webp|svg|bmp)$/i;

/** The first rows of a table, as they are read. */
export function FirstRows({ of }: { of: UseQueryResult<VersionProfile> }) {
  return (
    <Panel title="First rows" flush>
      <Computed of={of}>
        {({ rows, shown_columns: names, row_count, columns }) => (
          <>
            <Rows label="First rows" names={names} rows={rows} />
            <p className={css.note}>
              {rows.length === 0
                ? 'The table has no rows.'
                : `${counted(rows.length, 'row')} of ${num(row_count)}, ${namesOf(names.length, (columns ?? []).filter((one) => one.now).length)}`}
            </p>
          </>
        )}
      </Computed>
    </Panel>
  );
}

const namesOf = (shown: number, all: number) =>
  shown < all ? `${shown} of ${num(all)} columns` : counted(all, 'column');

/** The pictures among a version's files, small; each opens alone. */
export function Pictures({ version, files }: { version: DatasetVersion; files: FileEntry[] }) {
  const [all, setAll] = useState(false);
  const pictures = files.filter(([path]) => PICTURE.test(path));
  if (!pictures.length) return null;
  const shown = all ? pictures : pictures.slice(0, MOST_PICTURES);
  return (
    <Panel title="Pictures" aside={<span className="faint">{counted(pictures.length, 'picture')}</span>}>
      <ul className={css.pictures}>
        {shown.map(([path, size]) => (
          <Picture key={path} version={version} path={path} size={size} />
        ))}
      </ul>
      {shown.length < pictures.length && (
        <p className={css.more}>
          <Button size="compact-sm" variant="default" onClick={() => setAll(true)}>
            Show all {num(pictures.length)}
          </Button>
        </p>
      )}
    </Panel>
  );
}

function Picture({ version, path, size }: { version: DatasetVersion; path: string; size: number }) {
  const [broken, setBroken] = useState(false);
  const base = `/datasets/${seg(version.dataset)}/versions/${seg(version.id)}`;
  const src = api(`${base}/image`, { path });
  const why = size > MOST_PICTURE_BYTES ? `${bytes(size)}: too large to show here` : broken ? 'Cannot be shown' : '';
  return (
    <li>
      {why ? (
        <span className={css.noPicture}>{why}</span>
      ) : (
        <a href={src} target="_blank" rel="noreferrer" aria-label={`Open ${path}`}>
          <img src={src} alt={path} loading="lazy" onError={() => setBroken(true)} />
        </a>
      )}
      <span className="cut faint" title={path}>
        {path}
      </span>
    </li>
  );
}
