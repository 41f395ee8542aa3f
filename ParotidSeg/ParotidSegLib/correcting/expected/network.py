"""The correcting network: a few convolutions in numpy, so that a step needs no engine, and its file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ...errors import BundleError
from ...files.json_text import parse_json
from ...model.bundle import Bundle, load_bundle
from .distances import REACH_MM
from .gland import Gland, Strokes
from .network_input import CHANNELS, from_lattice, lattice_of, network_input, say

#: The first bytes of the file: its name and the version of its layout.
MAGIC = b"PAROTIDSEG CORRECTOR 1\n"
#: Its name in a bundle.
CORRECTOR = "corrector.bin"


@dataclass(frozen=True)
class CorrectingNetwork:
    """Convolutions of 3 x 3 x 3 or 1 x 1 x 1 with ReLU between them, the last one without; those of equal width add.

    Attributes:
        layers: kernel (slice, row, column, in, out) and bias (out) of each.
    """

    layers: tuple[tuple[np.ndarray, np.ndarray], ...]

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """One value a voxel, (slice, row, column), of an input (slice, row, column, channels)."""
        for number, (kernel, bias) in enumerate(self.layers, start=1):
            result = _convolved(values, kernel) + bias
            if number < len(self.layers):
                result = np.maximum(result, 0.0)
                if result.shape == values.shape:
                    result += values
            values = result
        return values[..., 0]

    def change(self, gland: Gland, strokes: Strokes) -> np.ndarray:
        """What the network adds to the carried distances of a gland, float32 (slice, row, column), mm."""
        lattice = lattice_of(gland)
        # No farther than distances reach: a scan unlike all that it learned from must not lead it anywhere.
        values = np.clip(self(network_input(gland, strokes, lattice)), -1.0, 1.0) * (REACH_MM * say(gland, strokes))
        return from_lattice(values, lattice, gland)

    def to_bytes(self) -> bytes:
        """The content of its file: the magic line, a line of JSON with the kernels' shapes, half-precision numbers."""
        shapes = json.dumps([kernel.shape for kernel, _ in self.layers]).encode("ascii") + b"\n"
        numbers = [np.concatenate([kernel.ravel(), bias]).astype("<f2").tobytes() for kernel, bias in self.layers]
        return MAGIC + shapes + b"".join(numbers)

    @classmethod
    def from_bytes(cls, content: bytes) -> CorrectingNetwork:
        """From the content of its file.

        Raises:
            BundleError: it is not one.
        """
        try:
            line, _, rest = content.removeprefix(MAGIC).partition(b"\n")
            shapes = [tuple(map(int, shape)) for shape in parse_json(line)]
            _check_shapes(content, shapes)
            numbers = np.frombuffer(rest, "<f2").astype(np.float32)
            sizes = [int(np.prod(shape)) + shape[-1] for shape in shapes]
            if numbers.size != sum(sizes) or not np.isfinite(numbers).all():
                raise ValueError
        except (ValueError, TypeError, IndexError) as error:
            raise BundleError("The correcting network is damaged: install its bundle again.") from error
        parts = np.split(numbers, np.cumsum(sizes)[:-1])
        return cls(
            tuple(
                (part[: -shape[-1]].reshape(shape), part[-shape[-1] :])
                for part, shape in zip(parts, shapes, strict=True)
            )
        )


def network_of(bundle: Bundle) -> CorrectingNetwork | None:
    """The correcting network of a bundle; None if it has none, so that the residual alone carries corrections.

    Raises:
        BundleError: it is damaged.
    """
    return CorrectingNetwork.from_bytes(bundle.read(CORRECTOR)) if CORRECTOR in bundle.files else None


@lru_cache(maxsize=1)
def shipped_network() -> CorrectingNetwork | None:
    """That of the bundle that runs unless told otherwise; read once."""
    return network_of(load_bundle())


def _check_shapes(content: bytes, shapes: Sequence[tuple[int, ...]]) -> None:
    inputs = [CHANNELS, *(shape[-1] for shape in shapes)]
    sound = all(
        len(shape) == 5 and shape[:3] in ((3, 3, 3), (1, 1, 1)) and shape[3] == wanted and 0 < shape[4] <= 256
        for shape, wanted in zip(shapes, inputs, strict=False)
    )
    if not (content.startswith(MAGIC) and shapes and sound and inputs[-1] == 1):
        raise ValueError


def _convolved(values: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Convolution with zeros beyond the edges, (slice, row, column, out)."""
    size = kernel.shape[0]
    depth, height, width = values.shape[:3]
    padded = np.pad(values, ((size // 2, size // 2),) * 3 + ((0, 0),))
    # The in-plane neighbours of a voxel side by side: a few large products are faster than many small ones.
    beside = np.concatenate([padded[:, y : y + height, x : x + width] for y, x in np.ndindex(size, size)], axis=-1)
    columns = kernel.reshape(size, -1, kernel.shape[-1])
    layers = [beside[z : z + depth].reshape(-1, beside.shape[-1]) @ columns[z] for z in range(size)]
    return np.asarray(sum(layers)).reshape(depth, height, width, -1)
