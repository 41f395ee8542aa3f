"""The effects of the Segment Editor's stand-in: their names, their parameters, and how wide their options are."""

from __future__ import annotations

from typing import Any

#: The effects that come with Slicer 5.12, in its order.
EFFECTS = (
    "Threshold",
    "Paint",
    "Draw",
    "Erase",
    "Level tracing",
    "Grow from seeds",
    "Fill between slices",
    "Margin",
    "Hollow",
    "Smoothing",
    "Scissors",
    "Islands",
    "Logical operators",
    "Mask volume",
)
#: What an effect's options need beside the column of buttons, in pixels: measured in Slicer 5.12.3 on Linux.
OPTIONS_WIDTH = {"Paint": 398, "Erase": 431}
#: An effect's button shows an icon of this size.
BUTTON_WIDTH = 30
_BRUSH = {"BrushDiameterIsRelative": 1, "BrushRelativeDiameter": 3.0, "BrushAbsoluteDiameter": 5.0}


class Effect:
    """An effect, of which the panel may ask the name and set parameters: they are attributes of the editor's node."""

    def __init__(self, name: str, node: Any) -> None:
        self.name = name
        self._node = node

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Effect) and other.name == self.name

    def __hash__(self) -> int:
        return hash(self.name)

    def setParameter(self, name: str, value: Any) -> None:
        self._node.SetAttribute(f"{self.name}.{name}", str(value))

    def setCommonParameter(self, name: str, value: Any) -> None:
        self._node.SetAttribute(name, str(value))

    def setMRMLDefaults(self) -> None:
        """As the real ones: what the node has already stays."""
        for name, value in _BRUSH.items() if self.name in ("Paint", "Erase") else ():
            if self._node.GetAttribute(name) is None:
                self.setCommonParameter(name, value)
