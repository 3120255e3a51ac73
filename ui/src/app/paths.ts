/** The address of every noun's page. */

const seg = encodeURIComponent;

export const at = {
  turn: (id: string) => `/turns/${seg(id)}`,
  run: (id: string) => `/runs/${seg(id)}`,
  compare: (ids: string[]) => `/runs/compare?ids=${seg(ids.join(','))}`,
  latest: (experiment = '', filter = '') => {
    const search = new URLSearchParams();
    if (experiment) search.set('experiment', JSON.stringify(experiment));
    if (filter) search.set('filter', filter);
    return `/runs/latest${search.size ? `?${search}` : ''}`;
  },
  pipelineRun: (id: string) => `/pipeline-runs/${seg(id)}`,
  model: (name: string) => `/models/${seg(name)}`,
  version: (name: string, number: number | string) => `/models/${seg(name)}/${number}`,
  versionsDiff: (name: string, before: number | string, after: number | string) =>
    `/models/${seg(name)}/diff?before=${before}&after=${after}`,
  deployment: (name: string) => `/deployments/${seg(name)}`,
  rollout: (name: string, number: number | string) => `/deployments/${seg(name)}/rollouts/${number}`,
  why: (prediction: string) => `/why/${seg(prediction)}`,
  alert: (id: string) => `/alerts/${seg(id)}`,
  dataset: (name: string, version = '') => `/data/${seg(name)}${version ? `?version=${seg(version)}` : ''}`,
};

/** Where the page of an event's noun is, if it has one. */
export function pageOf(noun: string, id: string): string | undefined {
  const [before = '', after = ''] = id.split(/[/#@](.*)/s);
  switch (noun) {
    case 'turn':
      return at.turn(id);
    case 'run':
      return at.run(id);
    case 'pipeline_run':
      return at.pipelineRun(id);
    case 'step_run':
      return at.pipelineRun(before);
    case 'model_version':
    case 'gate':
      return at.version(before, after);
    case 'registered_model':
      return at.model(id);
    case 'alias':
      return at.model(before);
    case 'promotion_request':
      return '/models';
    case 'deployment':
      return at.deployment(id);
    case 'revision':
      return at.deployment(before);
    case 'rollout':
      return at.rollout(before, after);
    case 'alert':
      return at.alert(id);
    case 'dataset':
      return at.dataset(id);
    case 'dataset_ref':
    case 'dataset_version':
      return at.dataset(before);
    default:
      return undefined;
  }
}

/** The status names pages by bare ids; a browser address needs them encoded. */
export function encoded(link: string): string {
  const [, dataset, version] = /^\/data\/(.+)\?version=([0-9a-f]+)$/.exec(link) ?? [];
  if (dataset && version) return at.dataset(decodeURIComponent(dataset), version);
  return link
    .split('/')
    .map((part) => seg(decodeURIComponent(part)))
    .join('/');
}

/** Translate the hash routes that MLflow's client prints into ours; undefined for any other hash. */
export function fromHash(hash: string): string | undefined {
  const path = hash.replace(/^#/, '').split('?')[0] ?? '';
  const run = /^\/experiments\/[^/]+\/runs\/([^/]+)/.exec(path);
  if (run?.[1]) return at.run(decodeURIComponent(run[1]));
  const experiment = /^\/experiments\/([^/]+)/.exec(path);
  if (experiment?.[1]) return `/runs?experiment=${seg(`"${decodeURIComponent(experiment[1])}"`)}`;
  const version = /^\/models\/([^/]+)\/versions\/(\d+)/.exec(path);
  if (version?.[1] && version[2]) return at.version(decodeURIComponent(version[1]), version[2]);
  const model = /^\/models\/([^/]+)/.exec(path);
  if (model?.[1]) return at.model(decodeURIComponent(model[1]));
  if (path === '/experiments') return '/runs';
  if (path === '/models') return '/models';
  return undefined;
}
