"""The command `helicline` (or `hl`): one file for each noun, imported when its command runs."""
