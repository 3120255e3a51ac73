/** Our own small icon set: 16-unit strokes, always beside a word or named by its button. */

const PATHS = {
  check: 'M3.5 8.5l3 3 6-7',
  cross: 'M4 4l8 8M12 4l-8 8',
  dot: 'M8 5.2a2.8 2.8 0 1 0 0 5.6 2.8 2.8 0 0 0 0-5.6z',
  clock: 'M8 2.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11zM8 5v3.2l2.2 1.4',
  pause: 'M5.5 3.5v9M10.5 3.5v9',
  back: 'M6 3.5L2.8 6.7 6 10M3 6.7h6.2a3.6 3.6 0 0 1 0 7.2H6',
  bolt: 'M9 1.8L3.6 9h4L7 14.2 12.4 7h-4z',
  equal: 'M3 6h10M3 10h10',
  hand: 'M8 1.9L14.2 13H1.8zM8 6.2v3.2M8 11.2v.2',
  dash: 'M4 8h8',
  half: 'M8 2.5a5.5 5.5 0 1 0 0 11zM8 2.5a5.5 5.5 0 0 1 0 11',
  loop: 'M13 5.2A5.6 5.6 0 1 0 13.6 8M13.4 2.4v3h-3',
  turn: 'M2.5 4h6M5 8h6M8.5 12h5',
  data: 'M2.8 4.2c0-1.2 2.3-2 5.2-2s5.2.8 5.2 2-2.3 2-5.2 2-5.2-.8-5.2-2zM2.8 4.2v7.6c0 1.2 2.3 2 5.2 2s5.2-.8 5.2-2V4.2M2.8 8c0 1.2 2.3 2 5.2 2s5.2-.8 5.2-2',
  runs: 'M2.2 13.5h11.6M3 10.5l3-4 3 2 4-5.5',
  pipeline: 'M2 5.2h3.6v3.6H2zM10.4 2h3.6v3.6h-3.6zM10.4 10.4h3.6V14h-3.6zM5.6 7h2.2V3.8h2.6M7.8 7v5.2h2.6',
  model: 'M8 1.8l5.6 3.1v6.2L8 14.2l-5.6-3.1V4.9zM2.4 4.9L8 8l5.6-3.1M8 8v6.2',
  gate: 'M2.5 14V5.5L8 2l5.5 3.5V14M5.5 14V8h5v6M8 8v6',
  serve: 'M2 8h4.5M6.5 8L11 4h3M6.5 8L11 12h3M12.4 2.4L14 4l-1.6 1.6M12.4 10.4L14 12l-1.6 1.6',
  watch: 'M1.5 8S4 3.6 8 3.6 14.5 8 14.5 8 12 12.4 8 12.4 1.5 8 1.5 8zM8 6.2a1.8 1.8 0 1 0 0 3.6 1.8 1.8 0 0 0 0-3.6z',
  bell: 'M4 11V7a4 4 0 0 1 8 0v4l1.2 1.4H2.8zM6.6 14h2.8',
  book: 'M3 2.5h8.5a1.5 1.5 0 0 1 1.5 1.5v9.5H4.5A1.5 1.5 0 0 1 3 12zM3 12a1.5 1.5 0 0 1 1.5-1.5H13M6 5.5h4',
  search: 'M7 2.8a4.2 4.2 0 1 0 0 8.4 4.2 4.2 0 0 0 0-8.4zM10 10l3.4 3.4',
  sun: 'M8 5a3 3 0 1 0 0 6 3 3 0 0 0 0-6zM8 1.4v1.4M8 13.2v1.4M1.4 8h1.4M13.2 8h1.4M3.3 3.3l1 1M11.7 11.7l1 1M3.3 12.7l1-1M11.7 4.3l1-1',
  moon: 'M13 9.6A5.4 5.4 0 0 1 6.4 3 5.4 5.4 0 1 0 13 9.6z',
  auto: 'M2 3h12v8H2zM6 14h4M8 11v3',
  columns: 'M2.5 3h11v10h-11zM6.2 3v10M9.8 3v10',
  copy: 'M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3',
  arrow: 'M3 8h9.5M9 4.5L12.5 8 9 11.5',
  person: 'M8 2.4a2.7 2.7 0 1 0 0 5.4 2.7 2.7 0 0 0 0-5.4zM2.8 14c.3-2.9 2.4-4.4 5.2-4.4s4.9 1.5 5.2 4.4',
  file: 'M4 1.8h5l3.2 3.2v9.2H4zM9 1.8V5h3.2',
  table: 'M2.5 3h11v10h-11zM2.5 6.4h11M2.5 9.7h11M7 6.4V13',
  chart: 'M2.5 2.5v11h11M5 10.5l2.5-3.5 2 1.8L13 4.5',
  up: 'M8 13V3.4M4 7.2L8 3.2l4 4',
  down: 'M8 3v9.6M4 8.8l4 4 4-4',
  more: 'M4.5 6.5L8 10l3.5-3.5',
  lock: 'M4 7.4h8v6H4zM5.6 7.4V5.2a2.4 2.4 0 0 1 4.8 0v2.2',
  pin: 'M6 2.2h4l-.6 4.2 2.2 2.2H4.4l2.2-2.2zM8 8.6v5.2',
  star: 'M8 2l1.8 3.8 4.2.5-3.1 2.9.8 4.1L8 11.2l-3.7 2.1.8-4.1L2 6.3l4.2-.5z',
  folder: 'M1.8 3.6h4.4l1.6 1.8h6.4v7.2H1.8z',
  image: 'M2 3h12v10H2zM2 11l3.4-3.4 2.6 2.6 2-2 4 4M10.4 5.8h.1',
  edit: 'M3 13l.6-3L10.4 3.2l2.4 2.4L6 12.4zM9 4.6L11.4 7',
  box: 'M2.4 3.2h11.2v3H2.4zM3.4 6.2v6.6h9.2V6.2M6.4 8.8h3.2',
  keys: 'M1.8 4h12.4v8H1.8zM4.2 6.6h.1M6.8 6.6h.1M9.3 6.6h.1M11.8 6.6h.1M5 9.6h6',
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, size = 14 }: { name: IconName; size?: number }) {
  return (
    <svg
      aria-hidden="true"
      width={size}
      height={size}
      viewBox="0 0 16 16"
      fill="none"
      stroke="currentColor"
      strokeWidth={1.5}
      strokeLinecap="round"
      strokeLinejoin="round"
      style={{ flex: 'none' }}
    >
      <path d={PATHS[name]} />
    </svg>
  );
}

export const iconPath = (name: IconName): string => PATHS[name];
