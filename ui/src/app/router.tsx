import { createRootRoute, createRoute, createRouter, lazyRouteComponent } from '@tanstack/react-router';
import { Broken, Missing } from '../pages/Missing';
import { compareSearch, runSearch } from '../pages/run/search';
import { runsSearch } from '../pages/runs/search';
import { Waiting } from '../parts/Asked';
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

const page = <P extends string>(path: P, component: ReturnType<typeof lazyRouteComponent>) =>
  createRoute({ getParentRoute: () => root, path, validateSearch: search, component });

const routes = [
  page(
    '/',
    lazyRouteComponent(() => import('../pages/LoopPage')),
  ),
  page(
    '/turns',
    lazyRouteComponent(() => import('../pages/turns/TurnsPage')),
  ),
  page(
    '/turns/$id',
    lazyRouteComponent(() => import('../pages/turns/TurnPage')),
  ),
  createRoute({
    getParentRoute: () => root,
    path: '/runs',
    validateSearch: runsSearch,
    component: lazyRouteComponent(() => import('../pages/runs/RunsPage')),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/runs/latest',
    validateSearch: runsSearch,
    component: lazyRouteComponent(() => import('../pages/runs/LatestPage')),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/runs/compare',
    validateSearch: compareSearch,
    component: lazyRouteComponent(() => import('../pages/compare/ComparePage')),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/runs/$id',
    validateSearch: runSearch,
    component: lazyRouteComponent(() => import('../pages/run/RunPage')),
  }),
  page(
    '/pipelines',
    lazyRouteComponent(() => import('../pages/pipelines/PipelinesPage')),
  ),
  page(
    '/pipeline-runs/$id',
    lazyRouteComponent(() => import('../pages/pipelines/PipelineRunPage')),
  ),
  page(
    '/models',
    lazyRouteComponent(() => import('../pages/models/ModelsPage')),
  ),
  page(
    '/models/$name',
    lazyRouteComponent(() => import('../pages/models/ModelPage')),
  ),
  page(
    '/models/$name/diff',
    lazyRouteComponent(() => import('../pages/models/DiffPage')),
  ),
  page(
    '/models/$name/$number',
    lazyRouteComponent(() => import('../pages/models/VersionPage')),
  ),
  page(
    '/deployments',
    lazyRouteComponent(() => import('../pages/deployments/DeploymentsPage')),
  ),
  page(
    '/deployments/$name',
    lazyRouteComponent(() => import('../pages/deployments/DeploymentPage')),
  ),
  page(
    '/monitors',
    lazyRouteComponent(() => import('../pages/monitors/MonitorsPage')),
  ),
  page(
    '/alerts',
    lazyRouteComponent(() => import('../pages/monitors/AlertsPage')),
  ),
  page(
    '/alerts/$id',
    lazyRouteComponent(() => import('../pages/monitors/AlertPage')),
  ),
  page(
    '/data',
    lazyRouteComponent(() => import('../pages/data/DatasetsPage')),
  ),
  page(
    '/data/$name',
    lazyRouteComponent(() => import('../pages/data/DatasetPage')),
  ),
  page(
    '/why/$id',
    lazyRouteComponent(() => import('../pages/WhyPage')),
  ),
  page(
    '/audit',
    lazyRouteComponent(() => import('../pages/AuditPage')),
  ),
] as const;

export const router = createRouter({
  routeTree: root.addChildren(routes),
  defaultPreload: false,
  scrollRestoration: true,
  defaultPendingComponent: Waiting,
});

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}
