import { createRootRoute, createRoute, createRouter } from '@tanstack/react-router';
import { Broken, Missing } from '../pages/Missing';
import { compareSearch, runSearch } from '../pages/run/search';
import { runsSearch } from '../pages/runs/search';
import { PageWaiting } from '../parts/PageOf';
import { lazyPage } from './lazyPage';
import { Shell } from './Shell';

const root = createRootRoute({ component: Shell, notFoundComponent: Missing, errorComponent: Broken });

const asText = (value: unknown): string | undefined =>
  value === undefined || value === null || value === '' ? undefined : String(value);

export interface Search {
  filter?: string;
  noun?: string;
  version?: string;
  before?: string;
  state?: string;
  deployment?: string;
  view?: string;
  after?: string;
  path?: string;
}

/** Search parameters of every page but the runs table, which has more. */
const search = (given: Record<string, unknown>): Search => ({
  filter: asText(given.filter),
  noun: asText(given.noun),
  version: asText(given.version),
  before: asText(given.before),
  state: asText(given.state),
  deployment: asText(given.deployment),
  view: asText(given.view),
  after: asText(given.after),
  path: asText(given.path),
});

const page = <P extends string>(path: P, component: ReturnType<typeof lazyPage>) =>
  createRoute({ getParentRoute: () => root, path, validateSearch: search, component });

const routes = [
  page(
    '/',
    lazyPage(() => import('../pages/LoopPage')),
  ),
  page(
    '/turns',
    lazyPage(() => import('../pages/turns/TurnsPage')),
  ),
  page(
    '/turns/$id',
    lazyPage(() => import('../pages/turns/TurnPage')),
  ),
  createRoute({
    getParentRoute: () => root,
    path: '/runs',
    validateSearch: runsSearch,
    component: lazyPage(() => import('../pages/runs/RunsPage')),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/runs/latest',
    validateSearch: runsSearch,
    component: lazyPage(() => import('../pages/runs/LatestPage')),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/runs/compare',
    validateSearch: compareSearch,
    component: lazyPage(() => import('../pages/compare/ComparePage')),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/runs/$id',
    validateSearch: runSearch,
    component: lazyPage(() => import('../pages/run/RunPage')),
  }),
  page(
    '/pipelines',
    lazyPage(() => import('../pages/pipelines/PipelinesPage')),
  ),
  page(
    '/pipeline-runs/$id',
    lazyPage(() => import('../pages/pipelines/PipelineRunPage')),
  ),
  page(
    '/models',
    lazyPage(() => import('../pages/models/ModelsPage')),
  ),
  page(
    '/models/$name',
    lazyPage(() => import('../pages/models/ModelPage')),
  ),
  page(
    '/models/$name/diff',
    lazyPage(() => import('../pages/models/DiffPage')),
  ),
  page(
    '/models/$name/$number',
    lazyPage(() => import('../pages/models/VersionPage')),
  ),
  page(
    '/deployments',
    lazyPage(() => import('../pages/deployments/DeploymentsPage')),
  ),
  page(
    '/deployments/$name',
    lazyPage(() => import('../pages/deployments/DeploymentPage')),
  ),
  page(
    '/deployments/$name/rollouts/$number',
    lazyPage(() => import('../pages/deployments/RolloutPage')),
  ),
  page(
    '/monitors',
    lazyPage(() => import('../pages/monitors/MonitorsPage')),
  ),
  page(
    '/alerts',
    lazyPage(() => import('../pages/monitors/AlertsPage')),
  ),
  page(
    '/alerts/$id',
    lazyPage(() => import('../pages/monitors/AlertPage')),
  ),
  page(
    '/data',
    lazyPage(() => import('../pages/data/DatasetsPage')),
  ),
  page(
    '/data/$name',
    lazyPage(() => import('../pages/data/DatasetPage')),
  ),
  page(
    '/why/$id',
    lazyPage(() => import('../pages/WhyPage')),
  ),
  page(
    '/audit',
    lazyPage(() => import('../pages/AuditPage')),
  ),
] as const;

export const router = createRouter({
  routeTree: root.addChildren(routes),
  defaultPreload: false,
  scrollRestoration: true,
  defaultPendingComponent: PageWaiting,
});

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}
