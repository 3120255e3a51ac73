/** A small line without axes; its numbers stand beside it. */
export function Sparkline({
  values,
  label,
  width = 120,
  height = 26,
}: {
  values: number[];
  label: string;
  width?: number;
  height?: number;
}) {
  const top = Math.max(...values, 1e-9);
  const step = width / Math.max(1, values.length - 1);
  const y = (value: number) => height - 2 - (value / top) * (height - 4);
  const line = values
    .map((value, index) => `${index ? 'L' : 'M'}${(index * step).toFixed(1)} ${y(value).toFixed(1)}`)
    .join('');
  return (
    <svg
      viewBox={`0 0 ${width} ${height}`}
      width="100%"
      height={height}
      preserveAspectRatio="none"
      role="img"
      aria-label={label}
    >
      <path d={`${line}L${width} ${height}L0 ${height}Z`} fill="currentColor" opacity={0.12} />
      <path d={line} fill="none" stroke="currentColor" strokeWidth={1.5} vectorEffect="non-scaling-stroke" />
    </svg>
  );
}
