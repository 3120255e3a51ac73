"""The two walks through everything that was recorded: lineage, and the card that tells a version's story."""
