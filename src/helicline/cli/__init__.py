"""The command `helicline` (or `hl`): one file a noun, loaded when asked for."""
