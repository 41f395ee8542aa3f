"""All measures of a contour, by name: what the judgement judges by."""

from __future__ import annotations

from .drawn import Drawn
from .shape import shape_measures
from .tissue import tissue_measures


def measures_of(gland: Drawn) -> dict[str, float]:
    """Of the contour and of the scan around it; NaN where unknown.

    How it differs from an automatic contour is not among them: on patients whom the model had not seen, that told right
    from wrong no better (Documentation/Findings.md). It tells where, and which way.
    """
    return {**shape_measures(gland), **tissue_measures(gland)}
