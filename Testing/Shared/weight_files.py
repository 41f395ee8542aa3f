"""The arrays of a weights file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np


def arrays_of(path: Path) -> dict[str, np.ndarray]:
    """Every array by its place in the file."""
    found: dict[str, np.ndarray] = {}

    def take(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            found[name] = item[()]

    with h5py.File(path) as file:
        file.visititems(take)
    return found
