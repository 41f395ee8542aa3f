"""A folder of contours that someone made: a label map a case, or a sub-folder a case with one mask per gland."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ParotidSegLib.errors import DataError
from ParotidSegLib.export import SUFFIXES
from ParotidSegLib.metrics import GRID_TOLERANCE
from ParotidSegLib.structures import PAROTIDS, Structure

_SIDES = {"right": {"r", "rt", "right"}, "left": {"l", "lt", "left"}}
#: Words in a file's name, also of names like "ParotidRt"; digits and punctuation part them.
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


@dataclass(frozen=True)
class MaskFolder:
    """Contours by case.

    Attributes:
        root: the folder.
        files: case -> its one label map (0 background, 1 right, 2 left), or the masks of the right and the left gland.
    """

    root: Path
    files: dict[str, tuple[Path, ...]]

    @classmethod
    def open(cls, root: str | Path) -> MaskFolder:
        """List the cases of a folder; no image is read yet.

        Label maps that lie in the folder itself are its cases, named as the file without its ending. If there is none,
        every sub-folder is a case, with a mask for each gland: a file whose name holds the word "parotid" and a side
        (R, Rt, Right, L, Lt or Left: "Parotid-Rt.nrrd", "parotid_gland_left.nii.gz"). Names that begin with a dot are
        passed over.

        Raises:
            DataError: there is no such folder or no case in it, a case has two label maps, or not one mask a gland.
        """
        root = Path(root)
        if not root.is_dir():
            raise DataError(f"{root} is no folder: give a folder of label maps.")
        visible = sorted(path for path in root.iterdir() if not path.name.startswith("."))
        files: dict[str, tuple[Path, ...]] = {}
        for path in (path for path in visible if path.is_file() and _suffix(path)):
            case = path.name.removesuffix(_suffix(path))
            if case in files:
                raise DataError(f"The case {case} has two label maps in {root}: keep one.")
            files[case] = (path,)
        if not files:
            files = {path.name: _masks_of_glands(path) for path in visible if path.is_dir()}
        if not files:
            raise DataError(
                f"{root} holds no contours: it needs a label map for each case ({', '.join(SUFFIXES)}), or a folder "
                "for each case with a mask for each gland."
            )
        return cls(root, files)

    def read(self, case: str) -> sitk.Image:
        """The case's label map, uint8: 0 background, 1 right, 2 left.

        Raises:
            DataError: a file is damaged, no label map or has labels of no structure, or the masks of the two glands
                lie on different grids or overlap.
        """
        paths = self.files[case]
        if len(paths) == 1:
            return read_label_map(paths[0])
        return _joined(case, [_read_mask(path) for path in paths])


def cases_of_both(reference: MaskFolder, candidate: MaskFolder, exclude: Sequence[str] = ()) -> list[str]:
    """Names of the cases, in order, without the excluded ones.

    Raises:
        DataError: a case lies in one folder alone, or none is left.
    """
    for one, other in ((reference, candidate), (candidate, reference)):
        alone = [case for case in one.files if case not in other.files and case not in exclude]
        if alone:
            more = f" (and {len(alone) - 1} more)" if len(alone) > 1 else ""
            raise DataError(
                f"The case {alone[0]}{more} of {one.root} has no counterpart of the same name in {other.root}: add it, "
                "or leave it out with --exclude."
            )
    cases = [case for case in reference.files if case not in exclude]
    if not cases:
        raise DataError(f"Every case of {reference.root} is excluded: leave one to compare.")
    return cases


def read_label_map(path: Path) -> sitk.Image:
    """A label map of both glands as uint8.

    Raises:
        DataError: the file is damaged, is no three-dimensional image of single values, or has labels of no structure.
    """
    image, array = _read(path)
    known = [0, *(structure.label for structure in PAROTIDS)]
    is_known = np.isin(array, known)
    if not is_known.all():
        unknown = ", ".join(f"{value:g}" for value in np.unique(array[~is_known])[:5])
        raise DataError(
            f"The label map {path} has labels of no structure ({unknown}): it may hold 0 for the background, "
            + " and ".join(f"{structure.label} for the {structure.name.lower()}" for structure in PAROTIDS)
            + "."
        )
    return sitk.Cast(image, sitk.sitkUInt8)


def _suffix(path: Path) -> str:
    """The ending of a label map's name; empty if it has none of them."""
    return next((suffix for suffix in SUFFIXES if path.name.endswith(suffix)), "")


def _masks_of_glands(folder: Path) -> tuple[Path, ...]:
    """The masks in the folder of a case, in label order."""
    paths = sorted(path for path in folder.iterdir() if _suffix(path) and not path.name.startswith("."))
    found = []
    for structure in PAROTIDS:
        of_gland = [path for path in paths if _shows(path, structure)]
        if len(of_gland) != 1:
            count = "no mask" if not of_gland else f"{len(of_gland)} masks"
            raise DataError(
                f"{folder} has {count} of the {structure.name.lower()}: it needs one file with a name like "
                f"{structure.key}.nii.gz, with an empty mask where there is no gland."
            )
        found.append(of_gland[0])
    return tuple(found)


def _shows(path: Path, structure: Structure) -> bool:
    words = {word.lower() for word in _WORD.findall(path.name.removesuffix(_suffix(path)))}
    sides = {side for side, names in _SIDES.items() if words & names}
    return sides == {structure.side} and any(word.startswith("parotid") for word in words)


def _read(path: Path) -> tuple[sitk.Image, np.ndarray]:
    try:
        image = sitk.ReadImage(str(path))
    except RuntimeError as error:
        raise DataError(f"The label map {path} is damaged or no image: copy or export it again.") from error
    if image.GetDimension() != 3 or image.GetNumberOfComponentsPerPixel() != 1:
        raise DataError(f"The label map {path} is no three-dimensional image of single labels: export it as one.")
    return image, sitk.GetArrayViewFromImage(image)


def _read_mask(path: Path) -> sitk.Image:
    """A mask of one gland: zero outside, any one other value inside."""
    image, array = _read(path)
    inside = array != 0
    values = array[inside]
    if values.size and not (values == values[0]).all():
        raise DataError(f"The mask {path} holds several labels, but it may hold one gland alone: export it again.")
    return sitk.Cast(image != 0, sitk.sitkUInt8)


def _joined(case: str, masks: Sequence[sitk.Image]) -> sitk.Image:
    """One label map of the masks of the right and the left gland."""
    right, left = masks
    if not np.allclose(_grid(right), _grid(left), rtol=0.0, atol=GRID_TOLERANCE):
        raise DataError(f"The masks of the two glands of the case {case} lie on different grids: export them on one.")
    arrays = [sitk.GetArrayViewFromImage(mask) for mask in masks]
    if (arrays[0] & arrays[1]).any():
        raise DataError(f"The masks of the two glands of the case {case} overlap: no voxel may belong to both.")
    labels = sum(array * structure.label for array, structure in zip(arrays, PAROTIDS, strict=True))
    joined = sitk.GetImageFromArray(np.asarray(labels, dtype=np.uint8))
    joined.CopyInformation(right)
    return joined


def _grid(image: sitk.Image) -> tuple[float, ...]:
    return (*image.GetSize(), *image.GetSpacing(), *image.GetOrigin(), *image.GetDirection())
