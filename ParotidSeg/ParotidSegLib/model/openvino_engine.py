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
from .openvino_norms import centre_convolutions

if TYPE_CHECKING:
    import openvino

#: Tiles that are worked on at once. Half the cores on each of two tiles wait less for one another than all on one.
STREAMS = 2
#: f32: all engines and processors give one answer.
_SETTINGS = {"INFERENCE_PRECISION_HINT": "f32", "NUM_STREAMS": STREAMS}
#: What is made of a model before it is compiled; another number for another way.
_REWRITTEN = "centred convolutions 1"
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
    """Compile a network for this processor.

    Raises:
        BundleError: it cannot be read.
    """
    openvino = import_openvino()
    assert spec.openvino is not None
    xml = bundle.read(spec.openvino)
    weights = bundle.read(str(PurePosixPath(spec.openvino).with_suffix(".bin")))
    core = openvino.Core()
    # All that decides what comes out of the compiler; the version is that of the very build.
    processor = (core.get_property("CPU", name) for name in ("FULL_DEVICE_NAME", "OPTIMIZATION_CAPABILITIES"))
    made = (openvino.__version__, platform.machine(), *processor, _SETTINGS, _REWRITTEN)
    parts = (xml, weights, repr(made).encode())
    content = kept(*parts)
    if content is not None:
        with suppress(RuntimeError):
            return core.import_model(content, "CPU", _SETTINGS)
    try:
        model = core.read_model(xml, openvino.Tensor(np.frombuffer(weights, dtype=np.uint8)))
        centre_convolutions(model)
        compiled = core.compile_model(model, "CPU", _SETTINGS)
    except RuntimeError as error:
        raise BundleError(
            f"The OpenVINO model {spec.openvino} of the bundle '{bundle.name}' cannot be loaded."
        ) from error
    if cache_folder() is not None:
        with suppress(RuntimeError):  # a network that cannot be exported can be used all the same
            keep(compiled.export_model().getvalue(), *parts)
    return compiled


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
