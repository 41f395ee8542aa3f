"""All measures of a contour, by name: what the judgement judges by."""

from __future__ import annotations

from .disagreement import disagreement_measures
from .drawn import Drawn
from .shape import shape_measures
from .tissue import tissue_measures


def measures_of(gland: Drawn) -> dict[str, float]:
    """Of the contour itself and, if there is an automatic one, of how it differs from that; NaN where unknown."""
    return {**shape_measures(gland), **tissue_measures(gland), **disagreement_measures(gland)}
