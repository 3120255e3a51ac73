"""The 1,797 scanned digits that scikit-learn ships, and what an ageing scanner makes of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.datasets import load_digits

PIXELS = [f"p{row}{column}" for row in range(8) for column in range(8)]
SEED = 7
ARCHIVE = 150


class Scans:
    """Half of the scans are history (some of it the archive), the other half is future traffic."""

    def __init__(self) -> None:
        pixels, labels = load_digits(return_X_y=True)
        order = np.random.default_rng(SEED).permutation(len(pixels))
        half = len(pixels) // 2
        archive, history, future = order[:ARCHIVE], order[ARCHIVE:half], order[half:]
        self.archive = frame(pixels[archive], labels[archive])
        self.history = frame(pixels[history], labels[history])
        self.future, self.future_labels = pixels[future], labels[future]


def frame(pixels: np.ndarray, labels: np.ndarray) -> pd.DataFrame:
    """Return scans as rows of 64 named pixels (0 to 16) and their label."""
    rows = pd.DataFrame(pixels.astype(float), columns=PIXELS)
    rows["label"] = labels.astype(int)
    return rows


def aged(pixels: np.ndarray, chance: np.random.Generator) -> np.ndarray:
    """Return the scans as the old scanner sees them: dimmed, shifted by a pixel, noisy."""
    images = np.roll(pixels.reshape(-1, 8, 8), 1, axis=2)
    images[:, :, 0] = 0.0
    images = images * 0.6 + chance.normal(0.0, 1.0, images.shape)
    return np.clip(images, 0.0, 16.0).reshape(-1, 64).round(2)


def write(rows: pd.DataFrame, path: Path) -> Path:
    """Write rows as a Parquet file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows.to_parquet(path, index=False)
    return path
