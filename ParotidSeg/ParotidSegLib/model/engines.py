"""Run a network: Keras (TensorFlow) or OpenVINO, with the same answers.

An engine maps tiles to class probabilities. The heavy packages load when an engine is opened, not before.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from ..errors import BundleError, EngineError
from .bundle import LARGEST_FILE, Bundle, NetworkSpec
from .networks import build_network, size_step, spatial_shape
from .openvino_engine import Requests, compiled_network, streams

if TYPE_CHECKING:
    import openvino

ENGINES = ("auto", "openvino", "keras")


class Engine(Protocol):
    """What inference needs of an engine.

    Attributes:
        name: of the kind of engine.
        at_once: how many tiles are best given to it at once, each by a thread of its own.
        step: what every edge of a piece must be a multiple of; None if it takes pieces of its tile's size alone.
        rest: called when there is nothing more to do for now, to free memory.
    """

    name: str
    at_once: int
    step: int | None
    rest: Callable[[], None]

    def probabilities(self, tile: np.ndarray) -> np.ndarray:
        """float32 (z, y, x, channels) -> float32 (z, y, x, classes), summing to 1 over the classes.

        Any number of threads may call it at the same time.
        """


def softmax(logits: np.ndarray) -> np.ndarray:
    """Softmax over the last axis, float32."""
    classes = range(logits.shape[-1])
    # Class by class: numpy is slow at the largest and the sum of few numbers.
    highest = reduce(np.maximum, (logits[..., c] for c in classes))
    shifted = np.exp(logits - highest[..., np.newaxis])
    shifted /= reduce(np.add, (shifted[..., c] for c in classes))[..., np.newaxis]
    return shifted


class _CallableEngine:
    """An engine around a function from a batch of tiles to logits."""

    def __init__(
        self,
        name: str,
        tile: Sequence[int],
        logits: Callable[[np.ndarray], np.ndarray],
        *,
        at_once: int = 1,
        step: int | None = None,
        rest: Callable[[], None] = lambda: None,
    ) -> None:
        self.name, self.at_once, self.step, self.rest = name, at_once, step, rest
        self._is_flat = len(spatial_shape(tile)) == 2
        self._logits = logits

    def probabilities(self, tile: np.ndarray) -> np.ndarray:
        batch = tile if self._is_flat else tile[np.newaxis]
        logits = np.asarray(self._logits(batch), dtype=np.float32)
        return softmax(logits).reshape((*tile.shape[:-1], logits.shape[-1]))


def installed_engines() -> list[str]:
    """Names of the engines whose packages are installed, the faster one first."""
    packages = {"openvino": ("openvino",), "keras": ("keras", "tensorflow")}
    return [name for name, needed in packages.items() if all(importlib.util.find_spec(package) for package in needed)]


def open_engine(bundle: Bundle, spec: NetworkSpec, engine: str = "auto") -> Engine:
    """Open a network of a bundle.

    Args:
        bundle: a verified bundle.
        spec: one of its networks.
        engine: "auto" (the fastest that is installed and that the bundle serves), "openvino" or "keras".

    Raises:
        EngineError: the engine is unknown, not installed, or does not start.
        BundleError: the weights do not fit the network.
    """
    if engine not in ENGINES:
        raise EngineError(f"The engine '{engine}' is unknown; choose one of {', '.join(ENGINES)}.")
    usable = [name for name in installed_engines() if name != "openvino" or spec.openvino]
    if engine == "auto":
        if not usable:
            raise EngineError("No engine is installed: pip install tensorflow-cpu keras, or pip install openvino.")
        engine = usable[0]
    if engine not in usable:
        if engine == "openvino" and not spec.openvino:
            raise EngineError(f"The bundle '{bundle.name}' holds no OpenVINO model; use the engine keras.")
        needed = {"openvino": "openvino", "keras": "tensorflow-cpu keras"}[engine]
        raise EngineError(f"The engine '{engine}' is not installed: pip install {needed}.")
    try:
        return {"openvino": _open_openvino, "keras": _open_keras}[engine](bundle, spec)
    except ImportError as error:
        raise EngineError(
            f"The engine '{engine}' is installed but does not start: install it again, or choose another engine."
        ) from error


def _open_keras(bundle: Bundle, spec: NetworkSpec) -> Engine:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with _native_log_silenced():
        import keras  # noqa: F401

    content = bundle.read(spec.weights)
    # Trained in mixed precision or not: inference is in float32, so that all engines give one answer.
    step = size_step(spec.network, spec.tile, spec.config)
    size = spec.tile if step is None else (None, None, None)
    model = build_network(spec.network, tile=size, config=spec.config, precision="float32")
    _check_shapes(bundle, spec, model.input_shape[1:], model.output_shape[1:])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.weights.h5"
        path.write_bytes(content)
        refuse_unsafe_hdf5(path, bundle.name)
        try:
            with warnings.catch_warnings():
                # Of nested layers that the file does not hold Keras only warns, and leaves them random.
                warnings.simplefilter("error", UserWarning)
                model.load_weights(path)
        except (ValueError, KeyError, OSError, RuntimeError, TypeError, UserWarning) as error:
            raise BundleError(
                f"The weights {spec.weights} of the bundle '{bundle.name}' do not fit its network."
            ) from error
    return _CallableEngine("keras", spec.tile, model.predict_on_batch, step=step)


@contextmanager
def _native_log_silenced() -> Iterator[None]:
    """Keep what TensorFlow's native code logs while it loads, whatever the log level, off a clinician's terminal."""
    try:
        sys.stderr.flush()
        kept = os.dup(2)
    except (AttributeError, OSError):  # no standard error, as in a windowed application
        yield
        return
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _check_shapes(bundle: Bundle, spec: NetworkSpec, takes: Sequence[int | None], gives: Sequence[int | None]) -> None:
    """Refuse a network that does not map one tile with its channels to the classes of its voxels."""
    is_open = size_step(spec.network, spec.tile, spec.config) is not None
    space = (None, None, None) if is_open else spatial_shape(spec.tile)
    channels, classes = len(spec.preprocessing.channels), len(bundle.structures) + 1
    if tuple(takes) != (*space, channels) or tuple(gives) != (*space, classes):
        raise BundleError(
            f"A network of the bundle '{bundle.name}' does not map its tile to the background and its structures."
        )


def refuse_unsafe_hdf5(path: Path, bundle_name: str) -> None:
    """Refuse a weights file that is a whole model (it may hold Lambda layers), that reads other files, or is a bomb.

    Raises:
        BundleError: it is no readable HDF5 file, or holds more than plain arrays of numbers of a sane size.
    """
    import h5py

    unpacked, seen = 0, set()

    def visit(group: h5py.Group) -> None:
        nonlocal unpacked
        seen.add(group)
        for key in group:
            # Only hard links lead to something in this very file; a second one to a group can make the way endless.
            if not isinstance(group.get(key, getlink=True), h5py.HardLink):
                raise BundleError(f"The weights of the bundle '{bundle_name}' link to another file: not safe to load.")
            item = group[key]
            if isinstance(item, h5py.Group) and item not in seen:
                visit(item)
                continue
            if not isinstance(item, h5py.Dataset) or item.external or item.is_virtual or item.dtype.kind not in "fiub":
                raise BundleError(
                    f"The weights of the bundle '{bundle_name}' hold more than numbers: not safe to load."
                )
            unpacked += item.nbytes
            if unpacked > LARGEST_FILE:
                raise BundleError(f"The weights of the bundle '{bundle_name}' are larger than a network can be.")

    try:
        with h5py.File(path, "r") as file:
            if "model_config" in file.attrs:
                raise BundleError(
                    f"The bundle '{bundle_name}' holds a whole Keras model, which may carry code: only weights are "
                    "loaded."
                )
            visit(file["/"])
    except (OSError, KeyError, RuntimeError, ValueError, TypeError) as error:
        raise BundleError(f"The weights of the bundle '{bundle_name}' are no readable HDF5 file.") from error


def _open_openvino(bundle: Bundle, spec: NetworkSpec) -> Engine:
    model = compiled_network(bundle, spec)
    _check_shapes(bundle, spec, *(_edges(port.partial_shape) for port in (model.input(0), model.output(0))))
    requests = Requests(model)
    step = size_step(spec.network, spec.tile, spec.config)
    return _CallableEngine("openvino", spec.tile, requests.logits, at_once=streams(spec), step=step, rest=requests.rest)


def _edges(shape: openvino.PartialShape) -> list[int | None]:
    """An OpenVINO shape but for the batch, None for an edge of any size."""
    return [edge.get_length() if edge.is_static else None for edge in list(shape)[1:]]
