"""Stand-ins for what Slicer builds from Qt: the modules `qt` and `ctk`, and the MRML widgets that the panel uses.

They are strict on purpose: a widget, property, method or signal that is not known here fails, so that a slip of the pen
in the panel or its .ui does not pass. They prove the module's own code, never Slicer's widgets.
"""

from __future__ import annotations

import sys

from . import scripted_widget
from .ctk_widgets import CTK_WIDGETS
from .parameter_nodes import parameter_node_wrapper_module
from .pythonqt import make_module, qt_module
from .scene_widgets import SCENE_WIDGETS
from .segment_editor import SEGMENT_WIDGETS
from .ui_loader import StrictUiLoader, register


def install() -> None:
    """Make `import qt` and `import ctk` work, and give `slicer` its widgets; harmless when called again.

    The application must have been started.
    """
    import slicer

    if "qt" in sys.modules:
        return
    sys.modules["qt"] = qt_module({"QUiLoader": StrictUiLoader})
    sys.modules["ctk"] = make_module("ctk", {widget.__name__: widget for widget in CTK_WIDGETS})
    for widget in (*SCENE_WIDGETS, *SEGMENT_WIDGETS):
        setattr(slicer, widget.__name__, widget)
    for widget in (*CTK_WIDGETS, *SCENE_WIDGETS, *SEGMENT_WIDGETS):
        register(widget)
    sys.modules["slicer.parameterNodeWrapper"] = parameter_node_wrapper_module()
    scripted_widget.install()
