"""Where do two models differ? The scan with the boundaries of A, of B and of the reference, where they differ most.

Every structure has a view of its own: the axial slice in which the contours of A and B enclose the most different
areas. Views are those of `ParotidSegLib.writing.drawing.views`: the patient's right at the left, seen from the feet, in
patient space.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ParotidSegLib.geometry.grids import voxel_middles
from ParotidSegLib.measuring.differing_slices import differing_slices, thickness_of
from ParotidSegLib.structures import PAROTIDS, Structure
from ParotidSegLib.writing.drawing.views import WINDOW, signed
from ParotidSegLib.writing.pages.contour_pictures import ContourView, Line, around, draw_contours, line_a, line_b

#: Colour of the reference's boundary: nothing in a CT is yellow, and A and B are other colours.
COLOUR_REFERENCE = (240, 228, 66)
#: At most so many structures are shown.
MOST_VIEWS = 4


@dataclass(frozen=True)
class Difference:
    """Where A and B differ about one structure.

    Attributes:
        structure: which.
        volume_ml: what one of both encloses and the other does not, in all.
        area_cm2: the same in the slice that is shown.
        z: height of that slice in mm, LPS.
        in_reference: whether the reference has the structure in that slice.
        centre, field: middle (x, y, z) and edge of the part of it that holds all contours, in mm.
    """

    structure: Structure
    volume_ml: float
    area_cm2: float
    z: float
    in_reference: bool
    centre: tuple[float, float, float]
    field: float


def disagreement_ml(a: sitk.Image, b: sitk.Image, structures: Sequence[Structure] = PAROTIDS) -> float:
    """What A and B do not agree about, over all structures, in mL; two label maps on one grid."""
    first, second = sitk.GetArrayViewFromImage(a), sitk.GetArrayViewFromImage(b)
    voxels = sum(np.count_nonzero((first == s.label) != (second == s.label)) for s in structures)
    return float(voxels * np.prod(a.GetSpacing()) / 1000.0)


def find_difference(reference: sitk.Image, a: sitk.Image, b: sitk.Image, structure: Structure) -> Difference | None:
    """The slice in which A and B differ most about a structure; where they agree, one in which it is largest.

    Args:
        reference, a, b: label maps on one grid.
        structure: which.

    Returns:
        None if none of the three has the structure.
    """
    masks = [sitk.GetArrayViewFromImage(image) == structure.label for image in (reference, a, b)]
    anywhere = masks[0] | masks[1] | masks[2]
    if not anywhere.any():
        return None
    differing = differing_slices(a, b, structure, most=1)
    if differing:
        z = differing[0].z
    else:
        everything = sitk.GetImageFromArray(anywhere.astype(np.uint8) * structure.label)
        everything.CopyInformation(a)
        z = differing_slices(everything, everything * 0, structure, most=1)[0].z
    (x, y), field = around(voxel_middles(a, anywhere))
    heights = voxel_middles(a, masks[0])[:, 2]
    return Difference(
        structure=structure,
        volume_ml=disagreement_ml(a, b, [structure]),
        area_cm2=differing[0].area_cm2 if differing else 0.0,
        z=z,
        in_reference=bool((np.abs(heights - z) <= thickness_of(a) / 2.0).any()),
        centre=(x, y, z),
        field=field,
    )


def draw_overlay(
    image: sitk.Image,
    labels: Mapping[str, sitk.Image],
    path: str | Path,
    *,
    title: str,
    names: tuple[str, str] = ("A", "B"),
    structures: Sequence[Structure] = PAROTIDS,
    window: tuple[float, float] = WINDOW,
) -> list[Difference]:
    """Draw a PNG of the slices in which A and B differ most, a view for each of the structures that differ most.

    Args:
        image: the scan, as a rule CT in HU.
        labels: the label maps "reference", "a" and "b", on the grid of the image.
        path: the .png to write.
        title: printed above: the name of the case.
        names: of A and B, for the legend.
        structures: what is compared.
        window: the values that are black and white.

    Returns:
        What is shown, view by view, in label order.

    Raises:
        OutputError: the path does not end with .png, or the file cannot be written.
    """
    reference, a, b = (labels[name] for name in ("reference", "a", "b"))
    found = [difference for s in structures if (difference := find_difference(reference, a, b, s))]
    found = sorted(found, key=lambda difference: -difference.volume_ml)[:MOST_VIEWS]
    found.sort(key=lambda difference: difference.structure.label)
    draw_contours(
        image,
        [ContourView(one.structure, one.centre, one.field, _caption(one)) for one in found],
        [Line("reference", reference, COLOUR_REFERENCE, 2.5), line_a(names[0], a), line_b(names[1], b)],
        path,
        title=title,
        if_empty="Neither contour nor reference holds any structure.",
        window=window,
    )
    return found


def _caption(difference: Difference) -> str:
    amount = f"differ by {difference.area_cm2:.1f} cm² here, {difference.volume_ml:.1f} mL in all"
    said = f"A and B {amount}" if difference.volume_ml else "A and B are the same"
    said += "" if difference.in_reference else "; no reference here"
    return f"{difference.structure.name}   z = {signed(difference.z)} mm\n{said}"
