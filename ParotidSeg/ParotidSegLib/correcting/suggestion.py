"""suggest(): which slice to look at next, why, and when it is enough."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk

from ..structures import PAROTIDS, Structure
from .case import Case, Part
from .checks import check_grids
from .expected.carrying import expected_distances
from .expected.distances import BLUR_MM, MM_PER_LOG_ODDS
from .expected.gland import Gland, Strokes
from .expected.kriging import kriging_variance
from .expected.network import CorrectingNetwork
from .view import AXIAL, Slices, box_of_glands, plane_number

#: A corrected slice helps its neighbours: what is expected wrong there counts too, 1/e of it at this distance.
HELPS_MM = 4.0
#: It is enough where no slice is expected to have more wrong than this, mm²; Documentation/Correction.md says what that
#: came to on patients.
ENOUGH_MM2 = 45.0


@dataclass(frozen=True)
class Suggestion:
    """The slice of a gland that is most worth a look.

    Attributes:
        structure: key of the gland.
        slice: its number (from 0) along the image axis across the plane.
        point: in the middle of the gland there, (x, y, z) in mm, LPS.
        expected_mm2: the area that is expected to be wrong in it.
        most_mm2: the largest such area of all slices that were not corrected.
        reason: a sentence.
    """

    structure: str
    slice: int
    point: tuple[float, float, float]
    expected_mm2: float
    most_mm2: float
    reason: str

    @property
    def is_enough(self) -> bool:
        """Whether no slice of the gland is expected to have more wrong than `ENOUGH_MM2`."""
        return self.most_mm2 <= ENOUGH_MM2

    def report(self) -> dict[str, Any]:
        """All of it, ready for JSON."""
        return {**asdict(self), "is_enough": self.is_enough}


def suggest(
    image: sitk.Image,
    automatic: sitk.Image,
    current: sitk.Image,
    *,
    slices: Slices | None = None,
    plane: str = "axial",
    uncertainty: sitk.Image | None = None,
    network: CorrectingNetwork | None = None,
    structures: Sequence[Structure] = PAROTIDS,
) -> list[Suggestion]:
    """Say which slice of each gland to look at next.

    How far the expected contour lies from a voxel says how likely that voxel is wrong: before any correction by the
    model's uncertainty, then by the corrections (`propagate`). A slice is worth what is wrong in it and, less and less,
    beside it.

    Args:
        image, automatic, uncertainty, network, structures: as for `propagate`.
        current: the contours as they are now.
        slices, plane: the slices that were corrected, as `Propagation` has them.

    Returns:
        One Suggestion for each gland that has an automatic contour and a slice left, the most worthwhile first.

    Raises:
        ImageError: grids differ, or there is no such plane, structure or slice.
    """
    check_grids(
        image,
        {"The automatic contour": automatic, "The current contour": current, "The uncertainty": uncertainty},
    )
    number = plane_number(plane)
    box = box_of_glands([automatic, current])
    if box is None:
        return []
    case = Case.of(box, number, image=image, automatic=automatic, current=current, uncertainty=uncertainty)
    done = case.view.indices_of(slices or {}, structures)
    ranked = []
    for part in case.parts(structures):
        strokes = part.strokes(done)
        worth, wrong = worth_of_slices(part.gland, strokes, network if number == AXIAL else None)
        best = int(worth.argmax())
        if part.gland.automatic.any() and worth[best] > 0.0:
            suggestion = Suggestion(
                structure=part.structure.key,
                slice=case.view.number_of(part.first + best),
                point=case.point(part, best, image),
                expected_mm2=float(wrong[best]),
                most_mm2=float(wrong.max()),
                reason=_reason(part, strokes, best, float(wrong[best])),
            )
            ranked.append((float(worth[best]), suggestion))
    return [suggestion for _, suggestion in sorted(ranked, key=lambda pair: -pair[0])]


def worth_of_slices(
    gland: Gland, strokes: Strokes, network: CorrectingNetwork | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """What a look at each slice is worth, and the area that is expected to be wrong in it (slices,), mm².

    Corrected slices are worth nothing, and nothing in them is expected to be wrong.
    """
    if strokes.slices.size:
        odds = expected_distances(gland, strokes, network) / BLUR_MM
    elif gland.modelled is not None:
        odds = gland.modelled / MM_PER_LOG_ODDS
    else:
        odds = gland.geometric / BLUR_MM
    wrong = (1.0 / (1.0 + np.exp(np.abs(odds)))).sum(axis=(1, 2)) * gland.spacing[1] * gland.spacing[2]
    # A voxel that is doubtful beside a corrected slice will hardly be wrong by much: what that leaves open counts.
    wrong = wrong * kriging_variance(gland.positions, gland.positions[strokes.slices])
    wrong[strokes.slices] = 0.0
    helped = np.exp(-np.abs(gland.positions[:, None] - gland.positions) / HELPS_MM)
    worth = helped @ wrong
    worth[strokes.slices] = 0.0
    return worth, wrong


def _reason(part: Part, strokes: Strokes, number: int, expected_mm2: float) -> str:
    """Why this slice, with what is known of it."""
    gland = part.gland
    sentence = f"About {expected_mm2:.0f} mm² of it are expected to be wrong"
    if not strokes.slices.size:
        return sentence + (": the model is unsure here." if gland.modelled is not None else ".")
    away = np.abs(gland.positions[strokes.slices] - gland.positions[number]).min()
    changed = np.count_nonzero(part.current[number] ^ gland.automatic[number]) * gland.spacing[1] * gland.spacing[2]
    return f"{sentence}: the nearest corrected one is {away:.0f} mm away, corrections changed {changed:.0f} mm² here."
