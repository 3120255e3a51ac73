/** Where the steps of a pipeline stand: left to right by depth. Pure, so that it can be tested. */

export interface Node {
  name: string;
  x: number;
  y: number;
}

export interface Edge {
  from: string;
  to: string;
  /** Where the edge passes a layer between its ends. */
  via: { x: number; y: number }[];
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
  const layers: Slot[][] = [];
  const put = (depth: number, slot: Slot) => {
    layers[depth] = [...(layers[depth] ?? []), slot];
  };
  for (const step of steps) put(depthOf(step.name), { id: step.name, height: NODE.height });
  const edges = steps.flatMap((step) => before(step).map((from) => ({ from, to: step.name })));
  for (const { from, to } of edges)
    for (let depth = depthOf(from) + 1; depth < depthOf(to); depth += 1)
      put(depth, { id: lane(from, to, depth), height: LANE });
  const tall = (layer: Slot[]) => layer.reduce((sum, slot) => sum + slot.height + NODE.gapY, -NODE.gapY);
  const height = Math.max(NODE.height, ...layers.map(tall));
  const placed = new Map<string, Node>();
  layers.forEach((layer, depth) => {
    let y = (height - tall(layer)) / 2;
    for (const slot of layer) {
      placed.set(slot.id, { name: slot.id, x: depth * (NODE.width + NODE.gapX), y });
      y += slot.height + NODE.gapY;
    }
  });
  const nodes = steps.flatMap((step) => placed.get(step.name) ?? []);
  const routed = edges.map((edge) => {
    const via: Edge['via'] = [];
    for (let depth = depthOf(edge.from) + 1; depth < depthOf(edge.to); depth += 1) {
      const slot = placed.get(lane(edge.from, edge.to, depth));
      if (slot) via.push({ x: slot.x, y: slot.y + LANE / 2 });
    }
    return { ...edge, via };
  });
  return { nodes, edges: routed, height, width: Math.max(1, layers.length) * (NODE.width + NODE.gapX) - NODE.gapX };
}

interface Slot {
  id: string;
  height: number;
}

const LANE = 8;
const lane = (from: string, to: string, depth: number): string => `${from}>${to}@${depth}`;
