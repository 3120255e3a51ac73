/** Where the steps of a pipeline stand: left to right by depth. Pure, so that it can be tested. */

export interface Node {
  name: string;
  x: number;
  y: number;
}

export interface Edge {
  from: string;
  to: string;
}

interface Step {
  name: string;
  inputs?: Record<string, { step: string }>;
}

export interface Graph {
  nodes: Node[];
  edges: Edge[];
  width: number;
  height: number;
}

export const NODE = { width: 158, height: 44, gapX: 52, gapY: 16 };

export function layered(steps: readonly Step[]): Graph {
  const byName = new Map(steps.map((step) => [step.name, step]));
  const before = (step: Step) =>
    [...new Set(Object.values(step.inputs ?? {}).map((source) => source.step))].filter((name) => byName.has(name));
  const depths = new Map<string, number>();
  const depthOf = (name: string): number => {
    const known = depths.get(name);
    if (known !== undefined) return known;
    depths.set(name, 0); // a circle cannot be submitted; this only keeps a broken spec from hanging the page
    const step = byName.get(name);
    const depth = step ? Math.max(-1, ...before(step).map(depthOf)) + 1 : 0;
    depths.set(name, depth);
    return depth;
  };
  const layers: string[][] = [];
  for (const step of steps) {
    const depth = depthOf(step.name);
    layers[depth] = [...(layers[depth] ?? []), step.name];
  }
  const tallest = Math.max(1, ...layers.map((layer) => layer.length));
  const height = tallest * (NODE.height + NODE.gapY) - NODE.gapY;
  const nodes = layers.flatMap((layer, depth) => {
    const taken = layer.length * (NODE.height + NODE.gapY) - NODE.gapY;
    return layer.map((name, index) => ({
      name,
      x: depth * (NODE.width + NODE.gapX),
      y: (height - taken) / 2 + index * (NODE.height + NODE.gapY),
    }));
  });
  const edges = steps.flatMap((step) => before(step).map((from) => ({ from, to: step.name })));
  return { nodes, edges, height, width: Math.max(1, layers.length) * (NODE.width + NODE.gapX) - NODE.gapX };
}
