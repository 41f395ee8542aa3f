"""The panel's own widgets by name.

`slicer.util.childWidgetVariables` collects what lies inside Slicer's widgets too, as the options of every effect that
an extension adds to the Segment Editor: one of those with a name of ours would stand in our widget's place.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

#: What is looked into; the inside of every other widget is its own affair.
_CONTAINERS = {"QWidget", "QFrame", "QGroupBox", "qMRMLWidget", "ctkCollapsibleButton", "ctkCollapsibleGroupBox"}
#: Dynamic property of a widget in the .ui file: the parameter that it shows.
_PARAMETER = "SlicerParameterName"


def own_widgets(root: Any) -> SimpleNamespace:
    """The named widgets and layouts of a .ui file's root, as attributes."""
    found: dict[str, Any] = {}
    waiting = [root]
    while waiting:
        widget = waiting.pop()
        name = getattr(widget, "name", "")
        if name:
            found[name] = widget
        if widget.className() in _CONTAINERS:
            waiting += widget.children()
    return SimpleNamespace(**found)


def parameter_widgets(ui: Any) -> dict[str, Any]:
    """The widgets that show a parameter, by its name."""
    named = {widget.property(_PARAMETER): widget for widget in vars(ui).values()}
    return {name: widget for name, widget in named.items() if name}
