import type { PipelineSpec } from '../../api/types';

/** The parameters of a pipeline as texts: its own by name, those of steps as `step.name`. */
export function parametersOf(spec: PipelineSpec): Record<string, string> {
  const own = Object.keys(spec.param_targets ?? {}).map((name) => [name, spec.params?.[name]] as const);
  const passed = new Set(Object.values(spec.param_targets ?? {}).flat());
  const rest = spec.steps.flatMap((step) =>
    Object.entries(step.params ?? {})
      .map(([name, value]) => [`${step.name}.${name}`, value] as const)
      .filter(([name]) => !passed.has(name)),
  );
  return Object.fromEntries([...own, ...rest].map(([name, value]) => [name, textOf(value)]));
}

/** A value as a text that the server reads back. */
export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** Values as texts, by name. */
export function textsOf(values: Record<string, unknown> | undefined): Record<string, string> {
  return Object.fromEntries(Object.entries(values ?? {}).map(([name, value]) => [name, textOf(value)]));
}

/** What is to be set: what differs from the pipeline's own values, and what was set before. */
export function changed(
  present: Record<string, string>,
  shown: Record<string, string>,
  before: string[] = [],
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(shown).filter(([name, text]) => text !== present[name] || before.includes(name)),
  );
}
