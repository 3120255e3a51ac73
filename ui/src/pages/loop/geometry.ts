/** Where things stand on the ring; angles grow clockwise from the top. */
const CENTRE = { x: 380, y: 226 };
const RADIUS = 142;
const GAP = 0.235;

export function pointAt(index: number, count: number, radius = RADIUS): { x: number; y: number; angle: number } {
  const angle = (index / count) * 2 * Math.PI - Math.PI / 2;
  return {
    x: round(CENTRE.x + radius * Math.cos(angle)),
    y: round(CENTRE.y + radius * Math.sin(angle)),
    angle,
  };
}

/** The path of the arc from one station to the next, leaving room for their discs. */
export function arcBetween(from: number, to: number, count: number): string {
  const start = pointAt(from + (GAP * count) / (2 * Math.PI), count);
  const end = pointAt(to - (GAP * count) / (2 * Math.PI), count);
  return `M${start.x} ${start.y}A${RADIUS} ${RADIUS} 0 0 1 ${end.x} ${end.y}`;
}

export function labelAt(index: number, count: number): { x: number; y: number; anchor: 'start' | 'middle' | 'end' } {
  const { x, y, angle } = pointAt(index, count);
  const side = Math.cos(angle);
  if (Math.abs(side) < 0.2) return { x, y: y - 54, anchor: 'middle' };
  const low = Math.sin(angle) > 0.8 ? 20 : 0;
  return side > 0 ? { x: x + 37, y: y - 3 + low, anchor: 'start' } : { x: x - 37, y: y - 3 + low, anchor: 'end' };
}

const round = (value: number): number => Math.round(value * 100) / 100;
