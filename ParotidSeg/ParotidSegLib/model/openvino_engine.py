"""OpenVINO: the fast engine on processors. Compiled networks that several threads may ask at once."""

from __future__ import annotations

import platform
import sys
from contextlib import suppress
from pathlib import PurePosixPath
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import BundleError
from .bundle import Bundle, NetworkSpec
from .compiled_cache import cache_folder, keep, kept
from .networks import size_step
from .openvino_norms import centre_convolutions
from .openvino_sizes import open_sizes

if TYPE_CHECKING:
    import openvino

#: Tiles that are worked on at once. Half the cores on each of two tiles wait less for one another than all on one.
STREAMS = 2
#: What is made of a model before it is compiled; another number for another way.
_REWRITTEN = "centred convolutions 1, open sizes 1"
_CONVERTER = "openvino.tools.ovc"


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


def compiled_network(bundle: Bundle, spec: NetworkSpec) -> openvino.CompiledModel:
    """Compile a network for this processor; for any size of its input in space if it may be run so (`size_step`).

    One network for all sizes is loaded faster than one made for a single size, and works about as fast.

    Raises:
        BundleError: it cannot be read, or it is none that its description says it is.
    """
    openvino = import_openvino()
    assert spec.openvino is not None
    xml = bundle.read(spec.openvino)
    weights = bundle.read(str(PurePosixPath(spec.openvino).with_suffix(".bin")))
    step = size_step(spec.network, spec.tile, spec.config)
    # f32: all engines and processors give one answer.
    settings = {"INFERENCE_PRECISION_HINT": "f32", "NUM_STREAMS": streams(spec)}
    core = openvino.Core()
    # All that decides what comes out of the compiler; the version is that of the very build.
    processor = (core.get_property("CPU", name) for name in ("FULL_DEVICE_NAME", "OPTIMIZATION_CAPABILITIES"))
    made = (openvino.__version__, platform.machine(), *processor, settings, _REWRITTEN, step, tuple(spec.tile))
    parts = (xml, weights, repr(made).encode())
    content = kept(*parts)
    if content is not None:
        with suppress(RuntimeError):
            return core.import_model(content, "CPU", settings)
    try:
        model = core.read_model(xml, openvino.Tensor(np.frombuffer(weights, dtype=np.uint8)))
        centre_convolutions(model)
        # One that was stored for another tile than the bundle says stays as it is, and is refused as such.
        if step is not None and list(model.input(0).shape)[1:-1] == list(spec.tile):
            open_sizes(model, step)
        compiled = core.compile_model(model, "CPU", settings)
    except RuntimeError as error:
        raise BundleError(
            f"The OpenVINO model {spec.openvino} of the bundle '{bundle.name}' cannot be loaded."
        ) from error
    if cache_folder() is not None:
        with suppress(RuntimeError):  # a network that cannot be exported can be used all the same
            keep(compiled.export_model().getvalue(), *parts)
    return compiled


def streams(spec: NetworkSpec) -> int:
    """How many pieces a network works on at once: one if a region is one piece, as two would take twice the memory."""
    return STREAMS if size_step(spec.network, spec.tile, spec.config) is None else 1


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
