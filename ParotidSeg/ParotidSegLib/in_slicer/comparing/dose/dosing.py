"""What the glands of a comparison receive of a dose in the scene: read once, asked for again when a contour changes.

A dose that cannot be used takes nothing else away: the figures of the contours stay, and a sentence says what is wrong.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import SimpleITK as sitk

from ....dose.figures import GlandDose, dose_figures
from ....dose.reading import Dose
from ....errors import DataError, ParotidSegError
from ....geometry.surfaces import joint_bounding_box
from ....structures import Structure
from ...scene.voxels import index_to_ras
from .volumes import dose_of


@dataclass(frozen=True)
class Doses:
    """What a gland receives as it is drawn, and as the reference has it; None where that is not known.

    Attributes:
        own, reference: the figures.
        problem: why one is not known; empty if nothing is wrong.
    """

    own: GlandDose | None = None
    reference: GlandDose | None = None
    problem: str = ""


class Dosing:
    """A dose, and what has been asked of it.

    Args:
        dose_node: a volume, or None.
        volume_node: the CT.
        former: what serves on for as long as the dose is the same.

    Attributes:
        dose: None if there is none that can be used.
        problem: why it cannot be used; empty if nothing is wrong.
        state: the same for as long as the dose is.
    """

    def __init__(self, dose_node: Any, volume_node: Any, former: Dosing | None = None) -> None:
        self.dose: Dose | None = None
        self.problem = self.state = ""
        self._known: dict[str, GlandDose | str] = {}
        self._before: dict[str, GlandDose | str] = {}
        if dose_node is None:
            return
        try:
            self.state = _state_of(dose_node, volume_node)
            if former is not None and former.state == self.state:
                self.dose, self.problem, self._before = former.dose, former.problem, former._known
            else:
                self.dose = dose_of(dose_node, volume_node)
        except ParotidSegError as error:
            self.problem = str(error)

    def doses(self, own: sitk.Image, reference: sitk.Image, structure: Structure) -> Doses:
        """What a structure of two label maps receives."""
        if self.dose is None:
            return Doses()
        found = [self._of(labels, structure) for labels in (own, reference)]
        problem = next((one for one in found if isinstance(one, str) and one), "")
        known = [one if isinstance(one, GlandDose) else None for one in found]
        return Doses(known[0], known[1], problem)

    def remarks(self) -> list[str]:
        """What is wrong with the dose, or doubtful; a sentence each."""
        return [self.problem] if self.problem else list(self.dose.remarks) if self.dose is not None else []

    def _of(self, labels: sitk.Image, structure: Structure) -> GlandDose | str:
        """The figures, or why there are none; empty for a gland without a voxel."""
        assert self.dose is not None
        voxels = sitk.GetArrayViewFromImage(labels)
        # What is around the gland changes with the other contour, and is of no interest here.
        z, y, x = joint_bounding_box(voxels > 0, voxels > 0)
        gland = labels[x.start : x.stop, y.start : y.stop, z.start : z.stop]
        told = repr((gland.GetOrigin(), gland.GetSpacing(), gland.GetDirection(), gland.GetSize(), structure.key))
        asked = hashlib.blake2b(told.encode() + voxels[z, y, x].tobytes(), digest_size=16).hexdigest()
        found = self._before.get(asked)
        if found is None:
            try:
                found = dose_figures(self.dose, gland, [structure])[structure.key] if voxels.any() else ""
            except DataError as error:
                found = str(error)
        self._known[asked] = found
        return found


def _state_of(dose_node: Any, volume_node: Any) -> str:
    """What tells whether a dose has to be read again: its voxels, where they lie, and what is said of them."""
    data = dose_node.GetImageData()
    attributes = {name: dose_node.GetAttribute(name) for name in dose_node.GetAttributeNames()}
    told = (dose_node.GetID(), volume_node.GetID(), data.GetMTime() if data is not None else 0, attributes)
    return f"{told} {index_to_ras(dose_node, world=True).tobytes().hex()}"
