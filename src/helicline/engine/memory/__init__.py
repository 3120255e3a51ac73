"""The memory of a task's processes: what they use, the limit of it, and whether the kernel ended one (note 0053)."""
