/** What the pages ask for. The first word of every key is what live events name to make it stale. */
import { queryOptions } from '@tanstack/react-query';
import { get, type Query, seg } from './client';
import type * as T from './types';

const list = <I>(root: string, path: string, query: Query = {}) =>
  queryOptions({
    queryKey: [root, path, query],
    queryFn: async ({ signal }) => (await get<T.Page<I>>(path, query, signal)).items,
  });

const one = <I>(root: string, path: string) =>
  queryOptions({ queryKey: [root, path], queryFn: ({ signal }) => get<I>(path, {}, signal) });

export const status = () => one<T.Status>('status', '/status');
export const turns = (loop = '', limit = 100) => list<T.Turn>('turns', '/turns', { loop, limit });
export const turn = (id: string) => one<T.Turn>('turns', `/turns/${seg(id)}`);
export const loops = () => list<T.LoopDetail>('loops', '/loops');
export const run = (id: string) => one<T.Run>('runs', `/runs/${seg(id)}`);
export const experiments = () => list<T.Experiment>('experiments', '/experiments');
export const pipelineRuns = (pipeline = '') =>
  list<T.PipelineRun>('pipeline-runs', '/pipeline-runs', { pipeline, limit: 100 });
export const pipelineRun = (id: string) => one<T.PipelineRunDetail>('pipeline-runs', `/pipeline-runs/${seg(id)}`);
export const whyRerun = (id: string) => list<T.Why>('pipeline-runs', `/pipeline-runs/${seg(id)}/why`);
export const models = () => list<T.ModelSummary>('models', '/models');
export const versions = (model: string) => list<T.VersionDetail>('models', `/models/${seg(model)}/versions`);
export const version = (model: string, number: number | string) =>
  one<T.VersionDetail>('models', `/models/${seg(model)}/versions/${number}`);
export const requests = (state = '') => list<T.PromotionRequest>('requests', '/promotion-requests', { state });
export const deployments = () => list<T.DeploymentDetail>('deployments', '/deployments');
export const deployment = (name: string) => one<T.DeploymentDetail>('deployments', `/deployments/${seg(name)}`);
export const rollout = (name: string, number: string | number) =>
  one<T.RolloutReport>('deployments', `/deployments/${seg(name)}/rollouts/${number}`);
export const predictions = (name: string) =>
  list<T.Prediction>('predictions', `/deployments/${seg(name)}/predictions`, { limit: 12 });
export const monitors = (deployment = '', windows = 60) =>
  list<T.MonitorDetail>('monitors', '/monitors', { deployment, windows });
export const alerts = (state = '') => list<T.Alert>('alerts', '/alerts', { state });
export const alert = (id: string) => one<T.Alert>('alerts', `/alerts/${seg(id)}`);
export const histograms = (id: string) => list<T.Histogram>('alerts', `/alerts/${seg(id)}/histograms`);
export const datasets = () => list<T.DatasetSummary>('datasets', '/datasets');
export const datasetVersions = (name: string) => list<T.DatasetVersion>('datasets', `/datasets/${seg(name)}/versions`);
export const contract = (name: string) => one<T.Contract>('datasets', `/datasets/${seg(name)}/contract`);
export const datasetUses = (name: string) => one<T.DatasetUses>('uses', `/datasets/${seg(name)}/uses`);
/** What is in the columns of a version, with another one beside it; asked again while the server computes it. */
export const profile = (name: string, point: string, before: string | undefined) =>
  queryOptions({
    queryKey: ['profiles', name, point, before],
    queryFn: ({ signal }) =>
      get<T.VersionProfile>(`/datasets/${seg(name)}/versions/${seg(point)}/profile`, { before }, signal),
    refetchInterval: (query) => (query.state.data?.state === 'computing' ? 800 : false),
    staleTime: (query) => (query.state.data?.state === 'ready' ? Number.POSITIVE_INFINITY : 0),
  });
export const files = (name: string, point: string) =>
  list<T.FileEntry>('files', `/datasets/${seg(name)}/versions/${seg(point)}/files`);
export const diff = (name: string, before: string, after: string) =>
  queryOptions({
    queryKey: ['files', name, before, after],
    queryFn: ({ signal }) => get<T.TreeDiff>(`/datasets/${seg(name)}/diff`, { before, after }, signal),
  });
export const audit = () => one<T.Audit>('audit', '/audit');
export const why = (prediction: string) => one<T.Answer>('why', `/why/${seg(prediction)}`);

export const artifacts = (runId: string, path = '') =>
  list<T.Entry>('artifacts', `/runs/${seg(runId)}/artifacts`, { path });
export const preview = (runId: string, path: string) =>
  queryOptions({
    queryKey: ['artifacts', runId, 'preview', path],
    queryFn: ({ signal }) => get<T.Preview>(`/runs/${seg(runId)}/artifacts/preview`, { path }, signal),
  });
export const lines = (query: T.LinesQuery) => list<T.Line>('series', '/runs/series', { ...query });
export const filesDiff = (before: string, after: string) =>
  queryOptions({
    queryKey: ['artifacts', 'diff', before, after],
    queryFn: ({ signal }) => get<T.FilesDiff>('/runs/diff', { before, after }, signal),
  });
export const textDiff = (before: string, after: string, path: string) =>
  queryOptions({
    queryKey: ['artifacts', 'diff', before, after, path],
    queryFn: ({ signal }) => get<T.TextDiff>('/runs/diff/text', { before, after, path }, signal),
  });
/** The runs of the same experiment that began no later, newest first: the run itself and the one before it. */
export const runsBefore = async (run: T.Run, signal: AbortSignal): Promise<T.RunRow[]> => {
  const filter = `attributes.start_time <= ${Date.parse(run.start_time)}`;
  return (await get<T.Page<T.RunRow>>('/runs/table', { experiment: run.experiment_id, filter, limit: 2 }, signal))
    .items;
};
export const model = (name: string) => one<T.ModelDetail>('models', `/models/${seg(name)}`);
export const card = (name: string, number: number) =>
  one<T.Card>('models', `/models/${seg(name)}/versions/${number}/card`);
export const lineage = (noun: string, id: string) =>
  queryOptions({
    queryKey: ['models', 'lineage', noun, id],
    queryFn: ({ signal }) => get<T.Lineage>('/lineage', { noun, id }, signal),
  });
export const versionsDiff = (name: string, before: string, after: string) =>
  queryOptions({
    queryKey: ['models', name, 'diff', before, after],
    queryFn: ({ signal }) => get<T.VersionsDiff>(`/models/${seg(name)}/diff`, { before, after }, signal),
  });
export const versionsText = (name: string, before: string, after: string, path: string) =>
  queryOptions({
    queryKey: ['models', name, 'diff', before, after, path],
    queryFn: ({ signal }) => get<T.TextDiff>(`/models/${seg(name)}/diff/text`, { before, after, path }, signal),
  });
