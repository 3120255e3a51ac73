import { useRouter } from '@tanstack/react-router';
import type { Station } from '../../api/types';
import { type IconName, iconPath } from '../../parts/Icon';
import type { Tone } from '../../words';
import { arcBetween, labelAt, pointAt } from './geometry';
import css from './ring.module.css';

const PLACE: Record<string, { path: string; icon: IconName }> = {
  Data: { path: '/data', icon: 'data' },
  Train: { path: '/pipelines', icon: 'pipeline' },
  Register: { path: '/models', icon: 'model' },
  Gate: { path: '/models', icon: 'gate' },
  Serve: { path: '/deployments', icon: 'serve' },
  Watch: { path: '/monitors', icon: 'watch' },
  Retrain: { path: '/turns', icon: 'loop' },
};

export function stationState(station: Station): { tone: Tone; word: string } {
  if (station.trouble) return { tone: 'bad', word: `${station.trouble} in trouble` };
  if (station.moving) return { tone: 'busy', word: `${station.moving} moving` };
  return station.count ? { tone: 'good', word: 'at rest' } : { tone: 'idle', word: 'empty' };
}

/** The loop as a ring: seven stations, the arcs between them alive where something moves. */
export function Ring({ stations, headline, sentence }: { stations: Station[]; headline: string; sentence: string }) {
  const count = stations.length;
  return (
    <svg className={css.ring} viewBox="20 18 720 392" role="group" aria-label="The loop">
      {stations.map((station, index) => {
        const moving = station.moving > 0;
        return (
          <path key={station.name} d={arcBetween(index - 1, index, count)} className={css.arc} data-moving={moving} />
        );
      })}
      {stations.map((station, index) => (
        <Arrow key={station.name} index={index} count={count} moving={station.moving > 0} />
      ))}
      <text className={css.headline} x={380} y={222} textAnchor="middle">
        {headline}
      </text>
      <text className={css.sentence} x={380} y={244} textAnchor="middle">
        {sentence}
      </text>
      {stations.map((station, index) => (
        <StationMark key={station.name} station={station} index={index} count={count} />
      ))}
    </svg>
  );
}

function Arrow({ index, count, moving }: { index: number; count: number; moving: boolean }) {
  const { x, y, angle } = pointAt(index - 0.5, count);
  const turn = (angle * 180) / Math.PI + 90;
  return (
    <path
      d="M-4 -4.5L3.5 0L-4 4.5"
      transform={`translate(${x} ${y}) rotate(${turn})`}
      className={css.arrow}
      data-moving={moving}
    />
  );
}

function StationMark({ station, index, count }: { station: Station; index: number; count: number }) {
  const router = useRouter();
  const { x, y } = pointAt(index, count);
  const label = labelAt(index, count);
  const place = PLACE[station.name] ?? { path: '/', icon: 'dot' as const };
  const { tone, word } = stationState(station);
  return (
    <a
      href={place.path}
      className={css.station}
      data-tone={tone}
      onClick={(event) => {
        if (event.metaKey || event.ctrlKey) return;
        event.preventDefault();
        router.history.push(place.path);
      }}
    >
      <circle cx={x} cy={y} r={24} className={css.disc} />
      <path d={iconPath(place.icon)} transform={`translate(${x - 10} ${y - 10}) scale(1.25)`} className={css.icon} />
      <text x={label.x} y={label.y} textAnchor={label.anchor} className={css.name}>
        {station.name}{' '}
        <tspan className={css.word} dx={3}>
          {word}
        </tspan>
      </text>
      <text x={label.x} y={label.y + 17} textAnchor={label.anchor} className={css.detail}>
        {station.sentence}
      </text>
    </a>
  );
}
