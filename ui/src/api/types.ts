/** Short names for the records of the API, as its OpenAPI document tells them. */
import type { components } from './schema';

type Schemas = components['schemas'];

export interface Page<T> {
  items: T[];
  next: string;
}

export type SessionView = Schemas['SessionView'];
export type Status = Schemas['Status'];
export type Station = Schemas['Station'];
export type Need = Schemas['Need'];
export type Turn = Schemas['Turn'];
export type Leg = Schemas['Leg'];
export type LoopDetail = Schemas['LoopDetail'];
export type Trigger = Schemas['Trigger'];
export type Run = Schemas['Run'];
export type Experiment = Schemas['Experiment'];
export type MetricPoint = Schemas['MetricPoint'];
export type RunRow = Schemas['RunRow'];
export type RunKey = Schemas['RunKey'];
export type RunGroup = Schemas['RunGroup'];
export type Groups = Schemas['Groups'];
export type Marks = Schemas['Marks'];
export type Line = Schemas['Line'];
export type Entry = Schemas['Entry'];
export type Preview = Schemas['Preview'];
export type FilesDiff = Schemas['FilesDiff'];
export type TextDiff = Schemas['TextDiff'];
export type PipelineRun = Schemas['PipelineRun'];
export type PipelineSpec = Schemas['PipelineSpec'];
export type PipelineRunDetail = Schemas['RunDetail'];
export type StepRun = Schemas['StepRun'];
export type Attempt = Schemas['Attempt'];
export type Why = Schemas['Why'];
export type ModelSummary = Schemas['ModelSummary'];
export type VersionDetail = Schemas['VersionDetail'];
export type ModelDetail = Schemas['ModelDetail'];
export type Protection = Schemas['Protection'];
export type Card = Schemas['Card'];
export type CardField = Schemas['Field'];
export type Lineage = Schemas['Lineage'];
export type LineageNode = Schemas['Node'];
export type VersionsDiff = Schemas['VersionsDiff'];
export type GateReport = Schemas['GateReport'];
export type Verdict = Schemas['Verdict'];
export type Comparison = Schemas['Comparison'];
export type PromotionRequest = Schemas['PromotionRequest'];
export type DeploymentDetail = Schemas['DeploymentDetail'];
export type Rollout = Schemas['Rollout'];
export type RolloutReport = Schemas['RolloutReport'];
export type OutcomeReading = Schemas['OutcomeReading'];
export type StepRecord = Schemas['StepRecord'];
export type GuardReading = Schemas['GuardReading'];
export type VariantCounts = Schemas['VariantCounts'];
export type Revision = Schemas['Revision'];
export type Prediction = Schemas['Prediction'];
export type MonitorDetail = Schemas['MonitorDetail'];
export type Window = Schemas['Window'];
export type Finding = Schemas['Finding'];
export type Histogram = Schemas['Histogram'];
export type Alert = Schemas['Alert'];
export type DatasetSummary = Schemas['DatasetSummary'];
export type DatasetVersion = Schemas['DatasetVersion'];
export type Contract = Schemas['Contract'];
export type ContractSpec = Schemas['ContractSpec'];
export type ColumnBeside = Schemas['ColumnBeside'];
export type VersionProfile = Schemas['VersionProfile'];
export type DatasetUses = Schemas['DatasetUses'];
export type Event = Schemas['Event'];
export type Audit = Schemas['Audit'];
export type ArtifactFile = Schemas['ArtifactFile'];
export type Answer = Schemas['Answer'];

/** On the wire a file entry is an array: path, size, BLAKE3. */
export type FileEntry = [path: string, size: number, hash: string];

export interface TreeDiff {
  added: FileEntry[];
  removed: FileEntry[];
  changed: [before: FileEntry, after: FileEntry][];
}

/** What a chart asks for: every run with every key, in as many buckets as it has pixels to show them. */
export interface LinesQuery {
  run: string[];
  key: string[];
  axis: string;
  buckets: number;
  from?: number;
  to?: number;
}
