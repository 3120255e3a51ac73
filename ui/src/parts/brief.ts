const MOST = 160;

/** The text in at most so many characters: of a traceback its last line, of other long texts the beginning. */
export function briefOf(text: string, most: number = MOST): string {
  const cut = (line: string): string => (line.length > most ? `${line.slice(0, most - 1).trimEnd()}…` : line);
  const lines = text
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean);
  const [first = '', last = ''] = [lines[0], lines.at(-1)];
  if (lines.length < 2) return cut(first);
  const traceback = first.search(/Traceback \(most recent call last\)/);
  if (traceback < 0 && !lines.includes('Traceback (most recent call last):')) return cut(`${first} …`);
  const cause = traceback < 0 ? first : first.slice(0, traceback).trim();
  return cut([cause.replace(/:$/, ''), last].filter(Boolean).join(': '));
}
