"""A folder of contours that someone made: a label map a case, or a sub-folder a case with one mask per structure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ParotidSegLib.errors import DataError, ImageError
from ParotidSegLib.geometry.surfaces import joint_bounding_box
from ParotidSegLib.measuring.metrics import GRID_TOLERANCE
from ParotidSegLib.reading.contours.region_names import RegionPatterns
from ParotidSegLib.reading.formats.image_files import read_plainly
from ParotidSegLib.structures import PAROTIDS, Structure
from ParotidSegLib.writing.export import SUFFIXES

from .structure_sets import in_sentence

_SIDES = {"right": {"r", "rt", "right"}, "left": {"l", "lt", "left"}}
#: Words in a file's name, also of names like "ParotidRt"; digits and punctuation part them.
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


@dataclass(frozen=True)
class MaskFolder:
    """Contours by case.

    Attributes:
        root: the folder.
        files: case -> its one label map (0 background, then the labels of the structures), or a mask a structure.
        structures: what is contoured, in label order.
    """

    root: Path
    files: dict[str, tuple[Path, ...]]
    structures: tuple[Structure, ...] = PAROTIDS

    @classmethod
    def open(cls, root: str | Path, structures: Sequence[Structure] = PAROTIDS) -> MaskFolder:
        """List the cases of a folder; no image is read yet.

        Label maps that lie in the folder itself are its cases, named as the file without its ending. If there is none,
        every sub-folder is a case, with a mask for each structure. Its file has the structure's key for a name
        ("Parotid_R.nii.gz"), or one that `RegionPatterns` knows as the gland's ("Parotid-Rt.nrrd"), for other
        structures one with the words of the key and its side (R, Rt, Right, L, Lt or Left). Names that begin with a dot
        are passed over.

        Raises:
            DataError: there is no such folder or no case in it, a case has two label maps, or not one mask a
                structure.
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
            files = {path.name: _masks_of(path, structures) for path in visible if path.is_dir()}
        if not files:
            raise DataError(
                f"{root} holds no contours: it needs a label map for each case ({', '.join(SUFFIXES)}), or a folder "
                "for each case with a mask for each structure."
            )
        return cls(root, files, tuple(structures))

    def only(self, cases: Sequence[str]) -> MaskFolder:
        """The same folder without all other cases."""
        return replace(self, files={case: files for case, files in self.files.items() if case in cases})

    def read(self, case: str) -> sitk.Image:
        """The case's label map, uint8: 0 background, then the labels of the structures.

        Raises:
            DataError: a file is damaged, no label map or has labels of no structure, or the masks of the structures
                lie on different grids or overlap.
        """
        paths = self.files[case]
        if _is_mask(paths, self.root):
            return _joined(case, [_read_mask(path) for path in paths], self.structures)
        return read_label_map(paths[0], self.structures)


def require_cases(names: Sequence[str], folders: Sequence[MaskFolder]) -> None:
    """Raise a DataError unless each of these cases, which are to be left out, lies in one of the folders."""
    for name in names:
        if not any(name in folder.files for folder in folders):
            raise DataError(f"None of the folders has a case {name} to leave out: check the name.")


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


def read_label_map(path: Path, structures: Sequence[Structure] = PAROTIDS) -> sitk.Image:
    """A label map of the structures as uint8.

    Raises:
        DataError: the file is damaged, is no three-dimensional image of single values, or has labels of no structure.
    """
    image, array = _read(path)
    known = [0, *(structure.label for structure in structures)]
    is_known = np.isin(array, known)
    if not is_known.all():
        unknown = ", ".join(f"{value:g}" for value in np.unique(array[~is_known])[:5])
        raise DataError(
            f"The label map {path} has labels of no structure ({unknown}): it may hold 0 for the background, "
            + " and ".join(f"{structure.label} for the {in_sentence(structure)}" for structure in structures)
            + "."
        )
    return sitk.Cast(image, sitk.sitkUInt8)


def _suffix(path: Path) -> str:
    """The ending of a label map's name; empty if it has none of them."""
    return next((suffix for suffix in SUFFIXES if path.name.endswith(suffix)), "")


def _is_mask(paths: Sequence[Path], root: Path) -> bool:
    """Whether a case has a mask a structure: its files lie in a folder of its own."""
    return paths[0].parent != root


def _masks_of(folder: Path, structures: Sequence[Structure]) -> tuple[Path, ...]:
    """The masks in the folder of a case, in label order."""
    paths = sorted(path for path in folder.iterdir() if _suffix(path) and not path.name.startswith("."))
    usual = RegionPatterns.default([structure.key for structure in structures])
    found = []
    for structure in structures:
        named = [path for path in paths if path.name.removesuffix(_suffix(path)).lower() == structure.key.lower()]
        of_structure = named or [path for path in paths if _shows(path, structure, usual)]
        if len(of_structure) != 1:
            count = "no mask" if not of_structure else f"{len(of_structure)} masks"
            raise DataError(
                f"{folder} has {count} of the {in_sentence(structure)}: it needs one file with a name like "
                f"{structure.key}.nii.gz, with an empty mask where there is none."
            )
        found.append(of_structure[0])
    return tuple(found)


def _shows(path: Path, structure: Structure, usual: RegionPatterns) -> bool:
    """Whether a file's name is that of a parotid gland; of others, has the side and words that begin as the key's."""
    stem = path.name.removesuffix(_suffix(path))
    if structure.key in usual.usual:
        return structure.key in usual.match([stem])
    words = {word.lower() for word in _WORD.findall(stem)}
    sides = {side for side, names in _SIDES.items() if words & names}
    wanted = {word.lower() for word in _WORD.findall(structure.key)} - {"r", "l"}
    begun = all(any(word.startswith(part) for word in words) for part in wanted)
    return sides == ({structure.side} if structure.side else set()) and begun


def _read(path: Path) -> tuple[sitk.Image, np.ndarray]:
    try:
        image = read_plainly(path, pictures=True)
    except RuntimeError as error:
        raise DataError(f"The label map {path} is damaged or no image: copy or export it again.") from error
    except ImageError as error:
        raise DataError(f"The label map {path} cannot be used: {error}") from error
    if image.GetDimension() == 2:  # a picture of one slice
        image = sitk.JoinSeries(image)
    if image.GetDimension() != 3 or image.GetNumberOfComponentsPerPixel() != 1:
        raise DataError(f"The label map {path} is no three-dimensional image of single labels: export it as one.")
    return image, sitk.GetArrayViewFromImage(image)


def _read_mask(path: Path) -> tuple[sitk.Image, np.ndarray]:
    """A mask of one structure (zero outside, any one other value inside): the image, and where it is not zero."""
    image, array = _read(path)
    inside = array != 0
    box = joint_bounding_box(inside, inside)
    values = array[box][inside[box]]
    if values.size and not (values == values[0]).all():
        raise DataError(f"The mask {path} holds several labels, but it may hold one structure alone: export it again.")
    return image, inside


def _joined(case: str, masks: Sequence[tuple[sitk.Image, np.ndarray]], structures: Sequence[Structure]) -> sitk.Image:
    """One label map of the masks of all structures, in label order."""
    first, inside_first = masks[0]
    labels = np.zeros(inside_first.shape, np.uint8)
    for (image, inside), structure in zip(masks, structures, strict=True):
        if not np.allclose(_grid(image), _grid(first), rtol=0.0, atol=GRID_TOLERANCE):
            raise DataError(f"The masks of the case {case} lie on different grids: export them on one.")
        box = joint_bounding_box(inside, inside)
        if labels[box][inside[box]].any():
            raise DataError(f"The masks of the case {case} overlap: no voxel may belong to two structures.")
        labels[box][inside[box]] = structure.label
    joined = sitk.GetImageFromArray(labels)
    joined.CopyInformation(first)
    return joined


def _grid(image: sitk.Image) -> tuple[float, ...]:
    return (*image.GetSize(), *image.GetSpacing(), *image.GetOrigin(), *image.GetDirection())
