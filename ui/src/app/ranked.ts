/** Entries that hold every typed word, those that begin with the first word before the others. */
export function ranked<T extends { name: string; kind: string }>(entries: T[], typed: string): T[] {
  const words = typed.toLowerCase().split(/\s+/).filter(Boolean);
  if (!words.length) return entries;
  const score = (entry: T): number => {
    const text = `${entry.name} ${entry.kind}`.toLowerCase();
    if (!words.every((word) => text.includes(word))) return -1;
    return entry.name.toLowerCase().startsWith(words[0] ?? '') ? 2 : 1;
  };
  return entries
    .map((entry, index) => ({ entry, index, score: score(entry) }))
    .filter((one) => one.score > 0)
    .sort((a, b) => b.score - a.score || a.index - b.index)
    .map((one) => one.entry);
}
