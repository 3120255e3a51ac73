"""Versioned data: file trees as manifests, versions, and refs that move by compare-and-swap (note 0003)."""
