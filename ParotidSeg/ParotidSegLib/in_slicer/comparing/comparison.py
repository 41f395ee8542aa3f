"""Two segmentations of one CT in the scene: how far their glands differ, as they are now. MRML, no Qt.

Both are looked at on the CT's own voxels, wherever their own lie and whatever their transforms are; the reference stays
as it is. What has been measured is kept for as long as neither contour changes: a stroke in one gland leaves the other
one's figures alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import SimpleITK as sitk
import slicer
from slicer.i18n import tr as _

from ...errors import ImageError
from ...measuring.borders import compare_borders
from ...measuring.metrics import StructureScores, compare_masks
from ...measuring.path_length import AddedPath, compare_paths
from ...structures import Structure
from ..scene.hierarchy import patient_of
from ..scene.voxels import (
    Slices,
    box_around,
    index_to_ras,
    label_map_of,
    mask_on_voxels,
    spacing_of,
    with_geometry,
    within,
)
from .choosing import gland_segments
from .dose.dosing import Doses, Dosing

#: So much of a reference (share, and mL) may get lost on the CT's voxels without a word.
_LOST_SHARE, _LOST_ML = 0.05, 0.3
_MISSING = ""


@dataclass(frozen=True)
class Pair:
    """A gland in both segmentations, on the CT's voxels.

    Attributes:
        structure: the gland.
        box: the CT's voxels (z, y, x) that hold both.
        own, reference: of bools (z, y, x), in that box.
    """

    structure: Structure
    box: Slices
    own: np.ndarray
    reference: np.ndarray

    @cached_property
    def fingerprint(self) -> str:
        """The same as long as neither changes."""
        digest = hashlib.blake2b(f"{self.structure.key} {self.box}".encode(), digest_size=16)
        for mask in (self.own, self.reference):
            digest.update(np.packbits(mask).tobytes())
        return digest.hexdigest()


@dataclass
class GlandFigures:
    """How a gland differs from the reference's; what is None has not been measured yet.

    Attributes:
        structure: the gland.
        own_ml, reference_ml: volumes on the CT's voxels.
        scores: overlap and surface distances.
        borders: direction or end -> mm, positive where the contour goes beyond the reference.
        path: what would have to be drawn anew for the contour to become the reference.
        doses: what both receive.
    """

    structure: Structure
    own_ml: float
    reference_ml: float
    scores: StructureScores | None = None
    borders: Mapping[str, float] | None = None
    path: AddedPath | None = None
    doses: Doses | None = None


class Comparison:
    """A segmentation beside a reference.

    Args:
        segmentation_node, volume_node: what is looked at, and its CT.
        reference_node: what it is compared with.
        structures: the glands.
        dose_node: a volume with the dose of the plan; None: without.
        segments: the reference's segments by the structure's key, where they are not to be found by themselves; an
            empty ID: none.
        former: an earlier comparison, whose figures serve where nothing has changed.

    Attributes:
        segments: the reference's segments, by the structure's key; those that were not found are left out.
        own_segments: those of the segmentation: their IDs are the keys where a model drew, else they are found, too.
        pairs: the glands that the reference has.
        dosing: the dose, or why there is none.
        to_world: 4×4 from the CT's voxels (i, j, k) to the world (R, A, S in mm).

    Raises:
        ImageError: there is nothing to compare; the text says why.
    """

    def __init__(
        self,
        segmentation_node: Any,
        volume_node: Any,
        reference_node: Any,
        structures: Sequence[Structure],
        *,
        dose_node: Any = None,
        segments: Mapping[str, str] | None = None,
        former: Comparison | None = None,
    ) -> None:
        _check_nodes(segmentation_node, volume_node, reference_node)
        self.segmentation, self.volume, self.reference = segmentation_node, volume_node, reference_node
        self.structures = tuple(structures)
        self.segments = _chosen(reference_node, structures, segments or {})
        if not self.segments:
            raise ImageError(
                _("No segment of the reference is known as a gland by its code or name: choose its segments below.")
            )
        self.own_segments = gland_segments(segmentation_node, structures)
        self.to_world = index_to_ras(volume_node, world=True)
        self._spacing = spacing_of(self.to_world)
        self._masks: dict[str, tuple[str, tuple[Slices, np.ndarray]]] = {}
        self._known: dict[str, GlandFigures] = dict(former._known) if former is not None else {}
        former_masks = former._masks if former is not None else {}
        self.pairs = tuple(self._pair(s, former_masks) for s in structures if s.key in self.segments)
        self.dosing: Dosing = Dosing(dose_node, volume_node, former.dosing if former is not None else None)
        self._known = {self._state_of_pair(pair): self._figures_of(pair) for pair in self.pairs}
        if not any(pair.reference.any() for pair in self.pairs):
            raise ImageError(self._why_nothing_is_there())

    # --- figures ---------------------------------------------------------------------------------------------------

    @property
    def figures(self) -> list[GlandFigures]:
        """What has been measured so far, in the order of `pairs`."""
        return [self._known[self._state_of_pair(pair)] for pair in self.pairs]

    def measure(self) -> list[GlandFigures]:
        """Measure all that is not known yet."""
        for _step in self.steps():
            pass
        return self.figures

    def steps(self) -> Iterator[None]:
        """Measure bit by bit: whoever has a window to keep alive lets it live between the bits."""
        for pair, figures in zip(self.pairs, self.figures, strict=True):
            if figures.scores is None:
                figures.scores = compare_masks(pair.reference, pair.own, self._spacing[::-1].tolist())
                yield
            reference, own = (self.image_of(pair, mask) for mask in (pair.reference, pair.own))
            if figures.borders is None:
                figures.borders = compare_borders(reference, own, [pair.structure])[pair.structure.key]
                yield
            if figures.path is None:
                figures.path = compare_paths(own, reference, [pair.structure])[pair.structure.key]
                yield
            if figures.doses is None:
                figures.doses = self.dosing.doses(own, reference, pair.structure)
                yield

    def image_of(self, pair: Pair, mask: np.ndarray) -> sitk.Image:
        """A mask of a pair as a label map that lies where it lies in the world."""
        return with_geometry(mask.astype(np.uint8) * np.uint8(pair.structure.label), self.matrix_of(pair))

    def matrix_of(self, pair: Pair) -> np.ndarray:
        """The 4×4 matrix from the voxels (i, j, k) of a pair's box to the world (R, A, S in mm)."""
        here = self.to_world.copy()
        here[:3, 3] += self.to_world[:3, :3] @ [side.start for side in reversed(pair.box)]
        return here

    @property
    def voxel_ml(self) -> float:
        """Volume of one of the CT's voxels."""
        return float(np.prod(self._spacing)) / 1000.0

    # --- what to know beforehand -----------------------------------------------------------------------------------

    def remarks(self) -> list[str]:
        """What a person should know before they believe the figures; a sentence each."""
        found = []
        if len({patient_of(node) for node in (self.volume, self.reference)} - {0}) > 1:
            found.append(_("The reference is filed under another patient than the CT."))
        for pair in self.pairs:
            name = _lower(pair.structure.name)
            if not pair.reference.any():
                found.append(_("The reference's {gland} is empty on this CT.").format(gland=name))
            elif self.is_misplaced(pair.structure):
                found.append(_("The reference's {gland} lies on the patient's other side.").format(gland=name))
            elif pair.own.any() and not (pair.own & pair.reference).any():
                text = _("The two contours of the {gland} do not touch: is the reference one of this CT?")
                found.append(text.format(gland=name))
            if not pair.own.any():
                found.append(_("This segmentation has no {gland}.").format(gland=name))
            lost = self._lost_ml(pair)
            if lost:
                text = _("{volume} mL of the reference's {gland} lie beyond the CT or get lost on its voxels.")
                found.append(text.format(volume=f"{lost:.1f}", gland=name))
        absent = [s.name for s in self.structures if s.key not in self.segments]
        if absent:
            found.append(_("The reference has no segment for: {glands}.").format(glands=", ".join(absent)))
        problems = [one.doses.problem for one in self.figures if one.doses is not None and one.doses.problem]
        return found + self.dosing.remarks() + problems

    def is_misplaced(self, structure: Structure) -> bool:
        """Whether the reference's gland lies on the side where its partner is, in this contour or in the reference.

        Said by where they lie in the patient: R grows to the right.
        """
        middles = {
            (which, pair.structure.side): self._middle_r(pair, mask)
            for pair in self.pairs
            for which, mask in (("own", pair.own), ("reference", pair.reference))
            if mask.any()
        }
        here = middles.get(("reference", structure.side))
        if here is None or not structure.side:
            return False
        other = "left" if structure.side == "right" else "right"
        towards = 1.0 if structure.side == "right" else -1.0
        own, partner = middles.get(("own", structure.side)), middles.get(("own", other))
        if own is not None and partner is not None:
            return abs(here - partner) < abs(here - own)
        beside = middles.get(("reference", other), partner)
        return beside is not None and towards * (here - beside) < 0.0

    # --- inside ------------------------------------------------------------------------------------------------------

    def _pair(self, structure: Structure, former: Mapping[str, Any]) -> Pair:
        places = []
        own = self.own_segments.get(structure.key)
        for node, segment_id in ((self.segmentation, own), (self.reference, self.segments[structure.key])):
            if segment_id is None or node.GetSegmentation().GetSegment(segment_id) is None:
                places.append(_nothing())
                continue
            state = self._state_of(node, segment_id)
            known = former.get(state)
            self._masks[state] = known or (segment_id, mask_on_voxels(node, segment_id, self.volume))
            places.append(self._masks[state][1])
        box = box_around(*(place for place, _mask in places))
        masks = []
        for place, mask in places:
            masks.append(np.zeros([side.stop - side.start for side in box], bool))
            masks[-1][within(place, box)] = mask
        return Pair(structure, box, *masks)

    def _state_of(self, node: Any, segment_id: str) -> str:
        """What tells whether a segment has to be looked at again: its voxels, or whatever it is made of, and where."""
        segmentation = node.GetSegmentation()
        segment = segmentation.GetSegment(segment_id)
        source = segment.GetRepresentation(segmentation.GetSourceRepresentationName())
        transforms = [n.GetTransformNodeID() for n in (node, self.volume)]
        moved = [n.GetParentTransformNode().GetMTime() for n in (node, self.volume) if n.GetParentTransformNode()]
        told = (node.GetID(), segment_id, segment.GetLabelValue(), source and source.GetMTime(), transforms, moved)
        return f"{told} {self.to_world.tobytes().hex()}"

    def _state_of_pair(self, pair: Pair) -> str:
        """What the figures of a pair are about: both masks, where they lie, and the dose."""
        return f"{pair.fingerprint} {self.dosing.state} {self.to_world.tobytes().hex()}"

    def _figures_of(self, pair: Pair) -> GlandFigures:
        known = self._known.get(self._state_of_pair(pair))
        own, reference = (float(np.count_nonzero(mask)) * self.voxel_ml for mask in (pair.own, pair.reference))
        return known or GlandFigures(pair.structure, own, reference)

    def _middle_r(self, pair: Pair, mask: np.ndarray) -> float:
        index = np.argwhere(mask).mean(axis=0)[::-1]
        matrix = self.matrix_of(pair)
        return float(matrix[0, :3] @ index + matrix[0, 3])

    def _lost_ml(self, pair: Pair) -> float:
        """How much smaller the reference is on the CT's voxels than on its own; 0 where that is little, or unknown."""
        segmentation = self.reference.GetSegmentation()
        binary = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
        if not segmentation.ContainsRepresentation(binary):
            return 0.0
        found = label_map_of(self.reference, self.segments[pair.structure.key], self.volume)
        if found is None or found.IsEmpty():
            return 0.0
        voxels = np.asarray(found.GetPointData().GetScalars())
        own_ml = float(np.count_nonzero(voxels) * np.prod(found.GetSpacing())) / 1000.0
        lost = own_ml - float(np.count_nonzero(pair.reference)) * self.voxel_ml
        return lost if lost > max(_LOST_ML, _LOST_SHARE * own_ml) else 0.0

    def _why_nothing_is_there(self) -> str:
        kind = self.reference.GetSegmentation().GetSourceRepresentationName()
        binary = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
        if kind != binary and all(
            label_map_of(self.reference, one, self.volume) is None for one in self.segments.values()
        ):
            text = _(
                "The reference consists of what this Slicer cannot turn into voxels ({kind}): install the extension "
                "SlicerRT, or load the file with the button beside it."
            )
            return text.format(kind=kind)
        return _("The reference has no voxel in this CT: it is empty, or of another CT.")


def _check_nodes(segmentation_node: Any, volume_node: Any, reference_node: Any) -> None:
    if reference_node is None:
        raise ImageError(_("Choose the segmentation to compare with."))
    if segmentation_node is None:
        raise ImageError(_("Segment a CT first, or choose a segmentation above."))
    if reference_node is segmentation_node:
        raise ImageError(_("The reference is the segmentation itself: choose another one."))
    if volume_node is None or volume_node.GetImageData() is None:
        raise ImageError(_("The CT of this segmentation is not in the scene: load it first."))


def _chosen(reference_node: Any, structures: Sequence[Structure], segments: Mapping[str, str]) -> dict[str, str]:
    """Found by themselves, and where a person has chosen, what they chose; what has gone meanwhile does not count."""
    there = set(reference_node.GetSegmentation().GetSegmentIDs())
    valid = {key: one for key, one in segments.items() if one in there or one == _MISSING}
    taken = set(valid.values())
    found = {key: one for key, one in gland_segments(reference_node, structures).items() if one not in taken} | valid
    return {key: one for key, one in found.items() if one != _MISSING}


def _nothing() -> tuple[Slices, np.ndarray]:
    return (slice(0, 0), slice(0, 0), slice(0, 0)), np.zeros((0, 0, 0), bool)


def _lower(name: str) -> str:
    """A name within a sentence."""
    return name[:1].lower() + name[1:]
