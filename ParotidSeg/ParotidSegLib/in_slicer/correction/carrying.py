"""Corrected slices in the scene are carried on to the rest of their glands, or taken back: each is one step of undo."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk
from slicer.i18n import tr as _

from ...correcting.expected.network import CorrectingNetwork
from ...correcting.propagation import propagate
from ...correcting.suggestion import suggest
from ...errors import ImageError
from ...structures import Structure
from ..scene import automatic, undo
from ..scene.scene import check_takes_voxels, reset_glands
from ..scene.voxels import Slices
from .cutout import Cutout, SlicesByKey, cut_out, together
from .kept import CARRIED, Corrections, keep_corrections
from .masking import editable
from .writing import write_glands


@dataclass(frozen=True)
class CorrectedSlice:
    """A slice that a person has corrected.

    Attributes:
        structure: the gland.
        plane: "axial", "coronal" or "sagittal".
        number: from 0, along the volume's axis across that plane.
        point: the middle of the gland there (R, A, S in mm).
        carried: whether it has been carried on.
    """

    structure: Structure
    plane: str
    number: int
    point: tuple[float, float, float]
    carried: bool


@dataclass(frozen=True)
class NextSlice:
    """The slice to look at next; attributes as of `CorrectedSlice`.

    Attributes:
        expected_mm2: the area that is expected to be wrong in it.
        most_mm2: the largest such area of a slice of this gland.
        is_enough: whether no slice is expected to have more wrong than is worth a look.
        reason: a sentence.
    """

    structure: Structure
    plane: str
    number: int
    point: tuple[float, float, float]
    expected_mm2: float
    most_mm2: float
    is_enough: bool
    reason: str


class Correcting:
    """The corrections of a segmentation.

    Args:
        segmentation_node, volume_node: what is corrected, and its CT.
        structures: what the model draws.
        network: gives the network that helps, or None; it is asked for once that is needed.
        editor_node: the Segment Editor's parameter node, whose masking counts; None: without.
    """

    def __init__(
        self,
        segmentation_node: Any,
        volume_node: Any,
        structures: Sequence[Structure],
        *,
        network: Callable[[], CorrectingNetwork | None] = lambda: None,
        editor_node: Any = None,
    ) -> None:
        self._node, self._volume, self._editor = segmentation_node, volume_node, editor_node
        self._structures, self._network = structures, network
        # The Segment Editor's own undo may just have brought other contours back than what is kept is about.
        undo.follow(segmentation_node, structures)
        self._cut = cut_out(segmentation_node, volume_node, structures)

    @property
    def cutout(self) -> Cutout:
        """The glands as they were when this was made."""
        return self._cut

    def slices(self) -> list[CorrectedSlice]:
        """All corrected slices, gland by gland."""
        cut = self._cut
        found = together(cut.kept.slices, cut.new)
        return [
            CorrectedSlice(s, str(cut.plane), number, cut.middle(s, number), number not in cut.new.get(s.key, ()))
            for s in self._structures
            for number in found.get(s.key, ())
        ]

    def carry_on(self) -> None:
        """Carry the slices that were corrected since the last time to the rest of their glands.

        Raises:
            ImageError: nothing was corrected, or it cannot be carried on; nothing is changed then.
        """
        cut = self._cut
        if not cut.new:
            raise ImageError(_("Nothing was corrected that is not carried on yet: correct a slice first."))
        result = propagate(
            cut.image,
            cut.automatic,
            cut.current,
            uncertainty=cut.uncertainty,
            previous=cut.previous,
            slices=cut.inside(cut.kept.slices),
            plane=cut.plane,
            network=self._network(),
            structures=self._structures,
        )
        slices = together(cut.kept.slices, cut.new)
        fixed = sorted({number for numbers in slices.values() for number in numbers})
        labels = sitk.GetArrayViewFromImage(result.labels)
        wanted = {s: labels == s.label for s in self._structures if slices.get(s.key)}
        self._draw(wanted, fixed, Corrections(cut.plane, slices))

    def take_back(self, key: str, number: int) -> None:
        """Let a gland be as if one of its slices had never been corrected.

        One that was carried on: the gland is drawn anew from its other corrected slices, or as the model drew it if
        there are none. One that was not: the slice alone goes back.

        Raises:
            ImageError: the slice was not corrected, or the others cannot be carried on; nothing is changed then.
        """
        cut = self._cut
        slices = together(cut.kept.slices, cut.new)
        structure = next((s for s in self._structures if s.key == key), None)
        if structure is None or number not in slices.get(key, ()):
            raise ImageError(_("This slice was not corrected: choose one of the list."))
        slices[key] = tuple(other for other in slices[key] if other != number)
        if number not in cut.kept.slices.get(key, ()):
            before = sitk.GetArrayViewFromImage(cut.previous) == structure.label
            self._write({structure: np.where(cut.slab([number]), before, cut.masks[structure.label])})
            return
        if slices[key]:
            result = propagate(
                cut.image,
                cut.automatic,
                cut.current,
                uncertainty=cut.uncertainty,
                slices=cut.inside({key: slices[key]}),
                plane=cut.plane,
                network=self._network(),
                structures=self._structures,
            )
            wanted = sitk.GetArrayViewFromImage(result.labels) == structure.label
        else:
            wanted = sitk.GetArrayViewFromImage(cut.automatic) == structure.label
        # Slices that were corrected in the other gland are right with all that is in them; but not the one to go back.
        fixed = {other for numbers in slices.values() for other in numbers} - {number}
        # Of the other gland, what was not carried on yet stays so.
        kept = {other: numbers if other == key else cut.kept.slices.get(other, ()) for other, numbers in slices.items()}
        self._draw({structure: wanted}, sorted(fixed), Corrections(cut.plane, kept))

    def reset(self, key: str) -> None:
        """Bring a gland back to the automatic contour, without any corrected slice.

        Raises:
            ImageError: there is no such contour.
        """
        cut = self._cut
        structure = next(s for s in self._structures if s.key == key)
        check_takes_voxels(self._node, self._volume)
        undo.save_step(self._node)
        reset_glands(self._node, self._volume, [structure], save_for_undo=lambda: None)
        slices = {other: numbers for other, numbers in cut.kept.slices.items() if other != key}
        wanted = sitk.GetArrayViewFromImage(cut.automatic) == structure.label
        self._keep({structure: wanted}, Corrections(cut.plane, slices))

    def take_over(self, key: str, place: Slices, mask: np.ndarray) -> None:
        """Give a gland another contour as a whole: each slice that it is in, or was in, counts as corrected.

        So nothing of it is carried on as if it had been drawn by hand, and what is carried on later leaves it alone.

        Args:
            key: the structure's.
            place, mask: a box of the volume's voxels (z, y, x), and the new contour in it, of bools.
        """
        cut = self._cut
        structure = next(s for s in self._structures if s.key == key)
        write_glands(self._node, self._volume, {structure: mask}, first=[side.start for side in place])
        # Cut out anew: what was taken over may reach beyond the former part.
        self._cut = cut_out(self._node, self._volume, self._structures)
        plane = cut.plane or "axial"
        numbers = {number for part in (cut, self._cut) for number in part.drawn_in(structure, plane)}
        drawn = self._cut.masks[structure.label]
        self._keep({structure: drawn}, Corrections(plane, {**cut.kept.slices, key: sorted(numbers)}))

    def next_slice(self, looked_at: SlicesByKey | None = None) -> NextSlice | None:
        """Which slice to look at next; None if no gland has one.

        Args:
            looked_at: slices that were looked at and left as they are, by the structure's key.
        """
        cut = self._cut
        plane = cut.plane or "axial"
        found = suggest(
            cut.image,
            cut.automatic,
            cut.current,
            slices=cut.inside(together(cut.kept.slices, cut.new, looked_at or {})),
            plane=plane,
            uncertainty=cut.uncertainty,
            network=self._network(),
            structures=self._structures,
        )
        if not found:
            return None
        best = found[0]
        structure = next(s for s in self._structures if s.key == best.structure)
        (number,) = cut.numbers({"": [best.slice]})[""]
        x, y, z = best.point
        return NextSlice(
            structure, plane, number, (-x, -y, z), best.expected_mm2, best.most_mm2, best.is_enough, best.reason
        )

    def _draw(self, wanted: Mapping[Structure, np.ndarray], fixed: Sequence[int], corrections: Corrections) -> None:
        """Give glands anew, but in no slice that is right and nowhere that the editor's masking forbids; keep it."""
        slab, masks = self._cut.slab(fixed), {}
        for structure, mask in wanted.items():
            own = self._cut.masks.get(structure.label, np.zeros(mask.shape, bool))
            free = editable(self._cut, self._node, self._volume, structure.key, self._editor) & ~slab
            masks[structure] = np.where(free, mask, own)
        self._write(masks)
        self._keep(masks, corrections)

    def _write(self, masks: Mapping[Structure, np.ndarray]) -> None:
        write_glands(self._node, self._volume, masks, first=self._cut.first)

    def _keep(self, masks: Mapping[Structure, np.ndarray], corrections: Corrections) -> None:
        """Keep which slices are corrected, and these glands as what was carried on."""
        labels = sitk.GetArrayFromImage(self._cut.previous)
        for structure, mask in masks.items():
            labels[labels == structure.label] = 0
            labels[mask & (labels == 0)] = structure.label
        undo.begin(self._node, self._structures)
        automatic.keep(
            self._node,
            labels,
            self._structures,
            attribute=CARRIED,
            first=self._cut.first,
            shape=self._cut.shape,
        )
        keep_corrections(self._node, corrections)
