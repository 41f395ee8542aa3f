"""A gland of the reference becomes the contour: one step of undo, as a stroke is."""

from __future__ import annotations

from slicer.i18n import tr as _

from ...errors import ImageError
from ..correction.carrying import Correcting
from ..correction.writing import write_glands
from ..scene import automatic, undo
from .comparison import Comparison


def take_over(comparison: Comparison, key: str) -> None:
    """Replace a gland by the reference's, on the CT's voxels; other glands and segments stay.

    The Segment Editor's *Undo* takes it back while it edits the segmentation, else `undo.undo` does. Where a model
    drew, each slice of the gland counts as corrected from then on.

    Args:
        comparison: as it is now.
        key: of the gland.

    Raises:
        ImageError: the reference has no such gland here, or has it on the patient's other side, or the segmentation
            takes no voxels; nothing is changed then.
    """
    pair = next((pair for pair in comparison.pairs if pair.structure.key == key), None)
    if pair is None or not pair.reference.any():
        raise ImageError(_("The reference has no such gland in this CT: choose its segment first."))
    if comparison.is_misplaced(pair.structure):
        text = _("The reference's {gland} lies on the patient's other side: choose the other segment for it.")
        name = pair.structure.name
        raise ImageError(text.format(gland=name[:1].lower() + name[1:]))
    node, volume = comparison.segmentation, comparison.volume
    undo.follow(node, comparison.structures)
    if automatic.kept(node, volume, comparison.structures) is not None:
        Correcting(node, volume, comparison.structures).take_over(key, pair.box, pair.reference)
    else:
        first, segments = [side.start for side in pair.box], comparison.own_segments
        write_glands(node, volume, {pair.structure: pair.reference}, first=first, segments=segments)
