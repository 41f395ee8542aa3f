"""OpenVINO: the fast engine on processors. Compiled networks that several threads may ask at once."""

from __future__ import annotations

import platform
import sys
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from pathlib import PurePosixPath
from threading import Lock
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import BundleError
from .bundle import Bundle, NetworkSpec
from .compiled_cache import cache_folder, keep, kept
from .openvino_norms import centre_convolutions
from .openvino_sizes import loosen, resize

if TYPE_CHECKING:
    import openvino

#: Tiles that are worked on at once. Half the cores on each of two tiles wait less for one another than all on one.
STREAMS = 2
#: f32: all engines and processors give one answer.
_SETTINGS = {"INFERENCE_PRECISION_HINT": "f32", "NUM_STREAMS": STREAMS}
#: What is made of a model before it is compiled; another number for another way.
_REWRITTEN = "centred convolutions 1"
_CONVERTER = "openvino.tools.ovc"
#: So many sizes of a network stay compiled in memory.
_MOST_SIZES = 4


def import_openvino() -> ModuleType:
    """OpenVINO without its converter of models, which OpenVINO itself does without where it is not installed.

    The converter takes longer to load than all else, and sends word of its use to its maker unless the user has
    forbidden that. It is there for those who import it.
    """
    if "openvino" in sys.modules or _CONVERTER in sys.modules:
        import openvino

        return openvino
    sys.modules[_CONVERTER] = None  # type: ignore[assignment]  # what Python has for "cannot be imported"
    try:
        import openvino

        return openvino
    finally:
        del sys.modules[_CONVERTER]


def read_network(bundle: Bundle, spec: NetworkSpec) -> openvino.Model:
    """A network as it is stored, but for transposed convolutions that any size of input suits.

    Raises:
        BundleError: it cannot be read.
    """
    openvino = import_openvino()
    try:
        model = openvino.Core().read_model(*_contents(bundle, spec, openvino))
        loosen(model)
    except RuntimeError as error:
        raise _unreadable(bundle, spec) from error
    return model


def compiled_network(bundle: Bundle, spec: NetworkSpec, space: Sequence[int] | None = None) -> openvino.CompiledModel:
    """Compile a network for this processor.

    Args:
        bundle, spec: the network.
        space: size in space of its input; None for the one that is stored.

    Raises:
        BundleError: it cannot be read.
    """
    openvino = import_openvino()
    core = openvino.Core()
    xml, weights = _contents(bundle, spec, openvino)
    # All that decides what comes out of the compiler; the version is that of the very build.
    processor = (core.get_property("CPU", name) for name in ("FULL_DEVICE_NAME", "OPTIMIZATION_CAPABILITIES"))
    size = None if space is None else tuple(space)
    made = (openvino.__version__, platform.machine(), *processor, _SETTINGS, _REWRITTEN, size)
    parts = (xml, weights.data.tobytes(), repr(made).encode())
    content = kept(*parts)
    if content is not None:
        with suppress(RuntimeError):
            return core.import_model(content, "CPU", _SETTINGS)
    model = read_network(bundle, spec)
    try:
        if space is not None and not resize(model, space):
            raise _unreadable(bundle, spec)
        centre_convolutions(model)
        compiled = core.compile_model(model, "CPU", _SETTINGS)
    except RuntimeError as error:
        raise _unreadable(bundle, spec) from error
    if cache_folder() is not None:
        with suppress(RuntimeError):  # a network that cannot be exported can be used all the same
            keep(compiled.export_model().getvalue(), *parts)
    return compiled


def _contents(bundle: Bundle, spec: NetworkSpec, openvino: ModuleType) -> tuple[bytes, openvino.Tensor]:
    assert spec.openvino is not None
    weights = bundle.read(str(PurePosixPath(spec.openvino).with_suffix(".bin")))
    return bundle.read(spec.openvino), openvino.Tensor(np.frombuffer(weights, dtype=np.uint8))


def _unreadable(bundle: Bundle, spec: NetworkSpec) -> BundleError:
    return BundleError(f"The OpenVINO model {spec.openvino} of the bundle '{bundle.name}' cannot be loaded.")


class Requests:
    """A compiled network as a function of a batch, for any number of threads: each call has a request of its own."""

    def __init__(self, compiled: openvino.CompiledModel) -> None:
        self._compiled = compiled
        self._idle: list[Any] = []

    def logits(self, batch: np.ndarray) -> np.ndarray:
        """The network's output for a batch; the caller's own."""
        try:
            request = self._idle.pop()
        except IndexError:
            request = self._compiled.create_infer_request()
        answer = request.infer(batch)[0]
        self._idle.append(request)
        return answer

    def rest(self) -> None:
        """Let go of the memory that only a working network needs; it comes back within some milliseconds."""
        with suppress(RuntimeError):  # another thread is at work
            self._compiled.release_memory()


class SizedRequests:
    """A network that may be run at any size: a function of a batch, compiled for each size at its first batch."""

    def __init__(self, bundle: Bundle, spec: NetworkSpec) -> None:
        self._bundle, self._spec = bundle, spec
        self._sizes: OrderedDict[tuple[int, ...], Requests] = OrderedDict()
        self._lock = Lock()

    def logits(self, batch: np.ndarray) -> np.ndarray:
        """The network's output for a batch; the caller's own."""
        space = batch.shape[1:-1]
        with self._lock:
            if space not in self._sizes:
                self._sizes[space] = Requests(compiled_network(self._bundle, self._spec, space))
            self._sizes.move_to_end(space)
            while len(self._sizes) > _MOST_SIZES:
                self._sizes.popitem(last=False)
            requests = self._sizes[space]
        return requests.logits(batch)

    def rest(self) -> None:
        """As `Requests.rest`, of all sizes."""
        for requests in list(self._sizes.values()):
            requests.rest()
