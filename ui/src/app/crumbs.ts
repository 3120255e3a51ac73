import { short } from '../parts/format';

export interface Crumb {
  name: string;
  href: string;
}

const ROOMS: Record<string, [name: string, href: string]> = {
  turns: ['Turns', '/turns'],
  runs: ['Runs', '/runs'],
  models: ['Models', '/models'],
  deployments: ['Deployments', '/deployments'],
  monitors: ['Monitors', '/monitors'],
  alerts: ['Alerts', '/alerts'],
  data: ['Data', '/data'],
  pipelines: ['Pipelines', '/pipelines'],
  'pipeline-runs': ['Pipelines', '/pipelines'],
  why: ['Why', '/deployments'],
  audit: ['Audit', '/audit'],
};

const PLACES: Record<string, string> = { 'runs/compare': 'Compare', 'runs/latest': 'The latest' };

/** The way to a page, from the loop down. */
export function crumbsOf(pathname: string): Crumb[] {
  const [room = '', ...rest] = pathname.split('/').filter(Boolean);
  const home = { name: 'The loop', href: '/' };
  if (!room) return [home];
  const [name, href] = ROOMS[room] ?? ['Not found', pathname];
  // a rollout has a page, the list of them is its deployment's
  const parts = room === 'deployments' ? rest.filter((part, index) => index !== 1 || part !== 'rollouts') : rest;
  const below = parts.map((part, index) => {
    const said = decodeURIComponent(part);
    return {
      name:
        room === 'models' && index === 1
          ? said === 'diff'
            ? 'Versions compared'
            : `Version ${said}`
          : room === 'deployments' && index === 1
            ? `Rollout ${said}`
            : (PLACES[`${room}/${said}`] ?? short(said)),
      href: index === parts.length - 1 ? pathname : `/${[room, ...parts.slice(0, index + 1)].join('/')}`,
    };
  });
  return [home, { name, href }, ...below];
}
