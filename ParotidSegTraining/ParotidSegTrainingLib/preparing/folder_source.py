"""Folders of images with masks (NIfTI, NRRD, MetaImage, single slices): which files belong to which case.

Three layouts are known:

    images/case.nii.gz   masks/case.nii.gz, or masks/case/ with one file a structure; also imagesTr/ and labelsTr/ and
                         the like; names may differ by words like img and label, or end with _0000
    case.nii.gz          case_mask.nii.gz, case_seg.nrrd or case_label.seg.nrrd beside it
    case/image.nii.gz    and beside it, or in a folder below, one label map or one file a structure
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ParotidSegLib.errors import DataError
from ParotidSegLib.files.file_names import LABEL_SUFFIXES, ending, stem

IMAGE_SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".mha", ".png", ".dcm")
_VOLUMES = (".nii.gz", ".nii", ".nrrd", ".mha")
_IMAGE_WORDS, _MASK_WORDS = "image|img|volume|vol|scan|ct", "segmentations|segmentation|labels|label|masks|mask|seg"
_IMAGE_FOLDER = re.compile(r"(images?)(|Tr|Va|Ts)", re.IGNORECASE)
_MASK_FOLDERS = ("masks", "mask", "labels", "label", "segmentations", "structures")
#: The number of a channel, as nnU-Net ends names of images; one channel is the whole image.
_FIRST_CHANNEL = "_0000"


@dataclass(frozen=True)
class FilePair:
    """The files of a case.

    Attributes:
        name: what the files have in common in their names.
        images: one, or one for each named input, in their order.
        masks: one label map, or one file a structure.
    """

    name: str
    images: tuple[Path, ...]
    masks: tuple[Path, ...]


def is_folder_of_files(root: Path) -> bool:
    """Whether a folder holds images and masks in one of the layouts, rather than DICOM series."""
    return bool(
        _folder_pairs(root)
        or any(ending(path, _VOLUMES) for path in _visible(root))
        or any(ending(path, _VOLUMES) for folder in _visible(root) if folder.is_dir() for path in _visible(folder))
    )


def find_pairs(root: Path, inputs: Sequence[str] = ()) -> list[FilePair]:
    """The cases of a folder, by name.

    Args:
        root: the folder.
        inputs: names of the images of a case (case_ct.nii.gz, case_pet.nii.gz), if it has several.

    Raises:
        DataError: there is no case, a case lacks its mask or an image, or two cases have one name.
    """
    folders = _folder_pairs(root)
    if folders:
        pairs = [pair for images, masks in folders for pair in _pairs_of(images, masks, inputs)]
    elif any(ending(path, IMAGE_SUFFIXES) for path in _visible(root)):
        pairs = _pairs_of(root, root, inputs)
    else:
        pairs = [_case_folder(folder, inputs) for folder in _visible(root) if folder.is_dir()]
    if not pairs:
        raise DataError(
            "A source holds no images with masks: it needs images/ and masks/, pairs like case.nii.gz and "
            "case_mask.nii.gz, a folder a case, or DICOM series with structure sets."
        )
    twice = [name for name, count in Counter(pair.name for pair in pairs).items() if count > 1]
    if twice:
        raise DataError(f"{len(twice)} name(s) of cases are in a source twice: give each case a name of its own.")
    return sorted(pairs, key=lambda pair: natural(pair.name))


def natural(text: str) -> tuple[tuple[int, int, str], ...]:
    """A key that sorts pt_2 before pt_10."""
    parts = re.split(r"(\d+)", text)
    return tuple((0, int(part), part) if part.isdecimal() else (1, 0, part.lower()) for part in parts)


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _folder_pairs(root: Path) -> list[tuple[Path, Path]]:
    """Folders of images with their folders of masks."""
    found = []
    names = {path.name: path for path in _visible(root) if path.is_dir()}
    for name, path in names.items():
        match = _IMAGE_FOLDER.fullmatch(name)
        if match:
            wanted = [f"{mask}{match[2]}" for mask in _MASK_FOLDERS]
            found += [(path, names[other]) for other in wanted if other in names][:1]
    return found


def _pairs_of(image_folder: Path, mask_folder: Path, inputs: Sequence[str]) -> list[FilePair]:
    """Images and masks of two folders, or of one in which the masks' names have a word more."""
    is_one_folder = image_folder == mask_folder
    images: dict[str, dict[str, Path]] = {}
    masks: dict[str, tuple[Path, ...]] = {}
    for path in _visible(mask_folder):
        if path.is_dir() and not is_one_folder:
            files = tuple(one for one in _visible(path) if ending(one, LABEL_SUFFIXES))
            if files:
                _put_mask(masks, path.name, files)
        elif ending(path, LABEL_SUFFIXES) and (not is_one_folder or _is_mask(path)):
            _put_mask(masks, _without_word(stem(path, LABEL_SUFFIXES), _MASK_WORDS), (path,))
    for path in _visible(image_folder):
        if ending(path, IMAGE_SUFFIXES) and not (is_one_folder and _is_mask(path)):
            name, wanted = _input_of(stem(path, IMAGE_SUFFIXES), inputs)
            if name not in masks and not inputs:
                name = _without_word(name.removesuffix(_FIRST_CHANNEL), _IMAGE_WORDS)
            if wanted in images.setdefault(name, {}):
                raise DataError("Two images of a source belong to one case: keep one, or name the inputs.")
            images[name][wanted] = path
    return [FilePair(name, _all_inputs(images[name], inputs), _mask_of(name, masks)) for name in images]


def _put_mask(masks: dict[str, tuple[Path, ...]], name: str, files: tuple[Path, ...]) -> None:
    if name in masks:
        raise DataError("Two masks of a source belong to one case: keep one.")
    masks[name] = files


def _mask_of(name: str, masks: dict[str, tuple[Path, ...]]) -> tuple[Path, ...]:
    """The case's files; none where it has no mask, which is said when the case is read."""
    return masks.get(name, ())


def _is_mask(path: Path) -> bool:
    text = stem(path, LABEL_SUFFIXES)
    return ending(path, LABEL_SUFFIXES) == ".seg.nrrd" or _without_word(text, _MASK_WORDS) != text


def _without_word(text: str, words: str) -> str:
    """The name without such a word at its beginning or end: img0001 and label-0001 become 0001."""
    shorter = re.sub(rf"^(?:{words})(?=[\W_\d])[\W_]*|[\W_]+(?:{words})$", "", text, flags=re.IGNORECASE)
    return shorter or text


def _input_of(text: str, inputs: Sequence[str]) -> tuple[str, str]:
    """Name of the case, and of the input that the image is; "" if inputs have no names."""
    for name in inputs:
        if text.endswith(f"_{name}"):
            return text.removesuffix(f"_{name}"), name
    if inputs:
        raise DataError(f"An image of a source does not end with one of the inputs (_{', _'.join(inputs)}): rename it.")
    return text, ""


def _all_inputs(found: dict[str, Path], inputs: Sequence[str]) -> tuple[Path, ...]:
    """The images in the order of the inputs; those that are there, where one is missing."""
    return tuple(found[name] for name in inputs or [""] if name in found)


def _case_folder(folder: Path, inputs: Sequence[str]) -> FilePair:
    """A folder that holds one case."""
    files = [path for path in _visible(folder) if ending(path, LABEL_SUFFIXES)]
    images = {name: path for path in files if (name := _image_word(path, inputs)) is not None}
    below = [_visible(sub) for sub in _visible(folder) if sub.is_dir() and sub.name.lower() in _MASK_FOLDERS]
    masks = _labels(below[0]) if below else _labels(path for path in files if path not in images.values())
    return FilePair(folder.name, _all_inputs(images, inputs), masks)


def _image_word(path: Path, inputs: Sequence[str]) -> str | None:
    """Which input an image in the folder of a case is; None if it is no image."""
    text = stem(path, LABEL_SUFFIXES).lower()
    if ending(path, LABEL_SUFFIXES) == ".seg.nrrd":
        return None
    if inputs:
        return next((name for name in inputs if text == name.lower() or text.endswith(f"_{name.lower()}")), None)
    return "" if re.fullmatch(_IMAGE_WORDS, text) else None


def _labels(paths: Iterable[Path]) -> tuple[Path, ...]:
    return tuple(path for path in paths if ending(path, LABEL_SUFFIXES))
