import type { Status } from '../api/types';
import type { IconName } from '../parts/Icon';

export interface Place {
  path: string;
  name: string;
  icon: IconName;
  key: string;
  /** Which station of the ring counts it, and how. */
  station?: string;
}

/** The rail: the loop from top to bottom, in groups. */
export const PLACES: Place[][] = [
  [
    { path: '/', name: 'The loop', icon: 'loop', key: 'l' },
    { path: '/turns', name: 'Turns', icon: 'turn', key: 't', station: 'Retrain' },
  ],
  [
    { path: '/data', name: 'Data', icon: 'data', key: 'd', station: 'Data' },
    { path: '/pipelines', name: 'Pipelines', icon: 'pipeline', key: 'p', station: 'Train' },
    { path: '/runs', name: 'Runs', icon: 'runs', key: 'r' },
  ],
  [{ path: '/models', name: 'Models', icon: 'model', key: 'm', station: 'Register' }],
  [{ path: '/deployments', name: 'Deployments', icon: 'serve', key: 'e', station: 'Serve' }],
  [
    { path: '/monitors', name: 'Monitors', icon: 'watch', key: 'w', station: 'Watch' },
    { path: '/alerts', name: 'Alerts', icon: 'bell', key: 'a' },
  ],
  [{ path: '/audit', name: 'Audit', icon: 'book', key: 'u' }],
];

export const ALL_PLACES = PLACES.flat();

export function countOf(place: Place, status: Status | undefined): { text: string; tone: string } | undefined {
  if (!status) return undefined;
  if (place.path === '/alerts') {
    const firing = status.needs.filter((need) => need.kind === 'alert').length;
    return firing ? { text: String(firing), tone: 'bad' } : undefined;
  }
  const station = status.stations.find((one) => one.name === place.station);
  if (!station) return undefined;
  if (station.moving) return { text: `${station.moving} moving`, tone: 'busy' };
  return { text: station.count.toLocaleString('en'), tone: 'idle' };
}
