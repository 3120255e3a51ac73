import { useQuery } from '@tanstack/react-query';
import { useLocation } from '@tanstack/react-router';
import { Fragment } from 'react';
import { useLive } from '../api/live';
import * as ask from '../api/queries';
import { Go } from '../parts/Go';
import { Icon } from '../parts/Icon';
import { countOf, PLACES } from './places';
import css from './shell.module.css';

export function Rail() {
  const { data: status } = useQuery({ ...ask.status(), refetchInterval: 10_000 });
  const { pathname } = useLocation();
  const live = useLive();
  const here = (path: string) =>
    path === '/'
      ? pathname === '/'
      : pathname.startsWith(path) || (path === '/pipelines' && pathname.startsWith('/pipeline-runs'));
  return (
    <nav className={css.rail} aria-label="Main">
      <Go href="/" className={css.name}>
        <img src="/favicon.svg" alt="" width={21} height={21} />
        Helicline
      </Go>
      <div className={css.thread}>
        {PLACES.map((group, index) => (
          <Fragment key={group[0]?.path}>
            {index > 0 && <div className={css.rule} />}
            {group.map((place) => {
              const count = countOf(place, status);
              return (
                <Go
                  key={place.path}
                  href={place.path}
                  className={css.item}
                  aria-current={here(place.path) ? 'page' : undefined}
                >
                  <span className={css.knot}>
                    <Icon name={place.icon} size={15} />
                  </span>
                  {place.name}
                  {count && (
                    <span className={css.count} data-tone={count.tone}>
                      {count.text}
                    </span>
                  )}
                </Go>
              );
            })}
          </Fragment>
        ))}
      </div>
      <div className={css.foot}>
        <span className={css.live} data-open={live} role="status">
          <span className={css.pulse} />
          {live ? 'Live' : 'Asking every 5 s'}
        </span>
        <span>{status ? `Version ${status.version}` : ''}</span>
      </div>
    </nav>
  );
}
