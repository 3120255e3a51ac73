import { useMemo } from 'react';
import type { PipelineRunDetail } from '../../api/types';
import { iconPath } from '../../parts/Icon';
import { stateOf } from '../../words';
import { type Edge, layered, NODE, type Node } from './layers';
import css from './pipelines.module.css';

/** The steps as a graph from left to right, each with the mark and word of its state. */
export function Graph({ detail }: { detail: PipelineRunDetail }) {
  const graph = useMemo(() => layered(detail.run.spec.steps), [detail.run.spec.steps]);
  const states = new Map(detail.steps.map((step) => [step.step, step.state]));
  const place = new Map(graph.nodes.map((node) => [node.name, node]));
  const said = graph.nodes
    .map((node) => `${node.name}: ${stateOf(states.get(node.name) ?? 'PENDING').word}`)
    .join(', ');
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so a keyboard must reach it
    <div className={css.graphBox} tabIndex={0} role="region" aria-label="Graph of the steps">
      <svg
        viewBox={`-2 -2 ${graph.width + 4} ${graph.height + 4}`}
        width={graph.width + 4}
        role="img"
        aria-label={said}
      >
        {graph.edges.map(({ from, to, via }) => {
          const a = place.get(from);
          const b = place.get(to);
          if (!a || !b) return null;
          return <path key={from + to} className={css.edge} d={routeOf(a, b, via)} />;
        })}
        {graph.nodes.map((node) => {
          const shown = stateOf(states.get(node.name) ?? 'PENDING');
          return (
            <g key={node.name} transform={`translate(${node.x} ${node.y})`} className={css.node} data-tone={shown.tone}>
              <rect width={NODE.width} height={NODE.height} rx={7} />
              <text x={12} y={19} className={css.nodeName}>
                {node.name.length > 20 ? `${node.name.slice(0, 19)}…` : node.name}
              </text>
              <path d={iconPath(shown.mark)} transform="translate(11 26) scale(0.72)" />
              <text x={27} y={35} className={css.nodeState}>
                {shown.word}
              </text>
            </g>
          );
        })}
      </svg>
    </div>
  );
}

/** A smooth line from the right side of one node to the left side of another, straight through the lanes between. */
function routeOf(from: Node, to: Node, via: Edge['via']): string {
  let x = from.x + NODE.width;
  let y = from.y + NODE.height / 2;
  let path = `M${x} ${y}`;
  const curve = (nextX: number, nextY: number) => {
    const bend = (nextX - x) / 2;
    path += `C${x + bend} ${y} ${nextX - bend} ${nextY} ${nextX} ${nextY}`;
    [x, y] = [nextX, nextY];
  };
  for (const point of via) {
    curve(point.x, point.y);
    x = point.x + NODE.width;
    path += `H${x}`;
  }
  curve(to.x, to.y + NODE.height / 2);
  return path;
}
