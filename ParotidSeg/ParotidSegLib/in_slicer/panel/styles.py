"""How texts of the panel look that stand out. Each states its background too: Slicer's theme may be light or dark."""

from __future__ import annotations

PROBLEM_STYLE = "background: #fdecea; color: #7b1a12; border: 1px solid #c0392b; border-radius: 3px; padding: 5px"
