"""What is fed with changed files: for each format sound files to begin with, and the way through the product.

A way ends well, or with a `ParotidSegError`. Anything else is a finding; so is a `SilentSwap`.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import made_training as made
import numpy as np
import pydicom
import SimpleITK as sitk
from made_dicom import gland_contours, write_structure_set
from made_doses import made_dose, made_grid, write_rtdose
from made_images import write_dicom_series

from ParotidSegLib.dose.figures import dose_figures
from ParotidSegLib.dose.reading import read_dose
from ParotidSegLib.in_slicer.worker.events import parse_line, progress_of, result_of
from ParotidSegLib.model.bundle import bundles_folder, load_bundle
from ParotidSegLib.reading import label_maps
from ParotidSegLib.reading.contours.drawing import draw
from ParotidSegLib.reading.contours.label_rules import SourceLabels
from ParotidSegLib.reading.contours.origins.label_files import read_label_files
from ParotidSegLib.reading.contours.reader import read_contours
from ParotidSegLib.reading.contours.region_names import RegionPatterns
from ParotidSegLib.reading.contours.structure_sets import read_structure_set
from ParotidSegLib.reading.images import read_image
from ParotidSegLib.writing.dicom_export import export_dicom
from ParotidSegTrainingLib.recipe import load as load_recipe
from ParotidSegTrainingLib.recipe import names as recipe_names

_KEYS = ("Parotid_R", "Parotid_L")
_HDF5 = b"\x89HDF\r\n\x1a\n"
#: Which slice of the series is changed.
_CHANGED = 9


class SilentSwap(AssertionError):
    """Left and right changed places, and nobody said so."""


@dataclass(frozen=True)
class Target:
    """A format.

    Attributes:
        suffix: of its files.
        corpus: writes sound files into an empty folder and gives their bytes.
        way: takes a file, and the folder that the corpus was made in.
        words: pieces of the format.
        pack: what is done with the changed bytes, such as compression: changed themselves, they would seldom unpack.
    """

    suffix: str
    corpus: Callable[[Path], list[bytes]]
    way: Callable[[Path, Path], None]
    words: Sequence[bytes] = ()
    pack: Callable[[bytes], bytes] = bytes


def _head(folder: Path) -> tuple[sitk.Image, sitk.Image]:
    """A made head: its right gland is bright, the left one dark."""
    return made.head_with_glands()


def _written(*suffixes: str, labels: bool = False) -> Callable[[Path], list[bytes]]:
    def corpus(folder: Path) -> list[bytes]:
        image = _head(folder)[1 if labels else 0]
        paths = [folder / f"sound{suffix}" for suffix in suffixes]
        for path in paths:
            sitk.WriteImage(image, str(path))
        return [path.read_bytes() for path in paths]

    return corpus


def _image(path: Path, folder: Path) -> None:
    _check_glands(read_image(path))


def _any_image(path: Path, folder: Path) -> None:
    """A format that states the axes once: a changed statement is another scan, not a swap that could be seen."""
    read_image(path)


def _check_glands(image: sitk.Image) -> None:
    """Raise SilentSwap if the bright gland, which is the right one, lies to the left of the dark one."""
    array = sitk.GetArrayViewFromImage(image)
    middles = []
    for low, high in ((made.RIGHT_HU - 30, made.RIGHT_HU + 30), (made.LEFT_HU - 20, made.LEFT_HU + 20)):
        index = np.argwhere((array >= low) & (array <= high))[:, ::-1]
        if len(index) < 100:
            return
        middles.append(image.TransformContinuousIndexToPhysicalPoint(np.median(index, axis=0).tolist())[0])
    _check_order(*middles)


def _check_sides(right: np.ndarray, left: np.ndarray, image: sitk.Image) -> None:
    if right.any() and left.any():
        middles = [np.argwhere(mask).mean(axis=0)[::-1].tolist() for mask in (right, left)]
        x = [image.TransformContinuousIndexToPhysicalPoint(middle)[0] for middle in middles]
        _check_order(*x)


def _check_order(right: float, left: float) -> None:
    """Raise SilentSwap if the glands changed places about the middle of the head, which lies at x = 0.

    Voxels that moved by some bytes come out wrapped round the edge, the right gland beyond the left one, too: where as
    many bytes were taken out as put in, no reader can see it.
    """
    if right - left > 30.0 and abs(right + left) < 30.0:
        raise SilentSwap(f"the right gland lies at x {right:.0f}, the left one at {left:.0f}")


def _dicom_corpus(folder: Path) -> list[bytes]:
    write_dicom_series(folder / "ct", _head(folder)[0], tags={"0010|0010": "Doe^Jane"})
    return [path.read_bytes() for path in sorted((folder / "ct").iterdir())[_CHANGED : _CHANGED + 1]]


def _dicom(path: Path, folder: Path) -> None:
    """The changed file in the place of one of its series."""
    replaced = sorted((folder / "ct").iterdir())[_CHANGED]
    sound = replaced.read_bytes()
    try:
        replaced.write_bytes(path.read_bytes())
        _check_glands(read_image(folder / "ct"))
    finally:
        replaced.write_bytes(sound)


def _rtstruct_corpus(folder: Path) -> list[bytes]:
    image = _head(folder)[0]
    small = {key: [points[::6] for points in contours] for key, contours in gland_contours(image).items()}
    first = write_structure_set(folder / "one.dcm", {**small, "BODY": small["Parotid_R"][:1]}, series="2.25.1")
    second = write_structure_set(folder / "two.dcm", {key: contours * 2 for key, contours in small.items()})
    return [first.read_bytes(), second.read_bytes()]


def _rtstruct(path: Path, folder: Path) -> None:
    image = _head(folder)[0]
    regions = read_structure_set(path)
    masks = {}
    for key, name in RegionPatterns.default(_KEYS).match(regions.names).items():
        contours = regions.contours_of(name)
        drawn = draw(contours.closed, image)
        assert all(isinstance(text, str) for text in [*contours.remarks(name), *drawn.remarks(name)])
        masks[key] = drawn.mask
    if len(masks) == 2:
        _check_sides(masks["Parotid_R"], masks["Parotid_L"], image)


def _seg_corpus(folder: Path) -> list[bytes]:
    """A segmentation of bits, and one of fractions; the glands are small, so that changes hit more than voxels."""
    image, labels = _head(folder)
    ct = write_dicom_series(folder / "seg-ct", image, tags={"0020|0052": "2.25.1002", "0018|0050": "3"})
    export_dicom(labels, folder / "bits.seg.dcm", dicom=ct)
    seg = pydicom.dcmread(folder / "bits.seg.dcm")
    shape = int(seg.NumberOfFrames), seg.Rows, seg.Columns
    bits = np.unpackbits(np.frombuffer(seg.PixelData, np.uint8), bitorder="little", count=int(np.prod(shape)))
    seg.SegmentationType, seg.MaximumFractionalValue = "FRACTIONAL", 255
    seg.BitsAllocated = seg.BitsStored = 8
    seg.HighBit, seg.PixelData = 7, (bits * np.uint8(255)).tobytes() + b"\0" * (bits.size % 2)
    seg.save_as(folder / "fractions.dcm")
    return [(folder / name).read_bytes() for name in ("bits.seg.dcm", "fractions.dcm")]


def _seg(path: Path, folder: Path) -> None:
    image = _head(folder)[0]
    array = sitk.GetArrayViewFromImage(read_contours(path, image).labels)
    _check_sides(array == 1, array == 2, image)


def _dose_corpus(folder: Path) -> list[bytes]:
    image = made_grid((14, 14, 14), (20.0, 20.0, 20.0), (-130.0, -130.0, -130.0))
    dose = made_dose(image, lambda points: 30.0 + 0.1 * points[..., 0])
    return [write_rtdose(folder / f"{bits}.dcm", dose, bits=bits, scaling=0.01).read_bytes() for bits in (16, 32)]


def _dose(path: Path, folder: Path) -> None:
    image, labels = _head(folder)
    dose_figures(read_dose(path, image), labels)


def _mask(path: Path, folder: Path) -> None:
    image = _head(folder)[0]
    label_maps.read_labels(path)
    labels = read_label_files([path], image, SourceLabels.plain(), allow_missing=True).labels
    array = sitk.GetArrayViewFromImage(labels)
    _check_sides(array == 1, array == 2, image)


def _small_bundle(folder: Path) -> Path:
    """The bundle that ships, with weights of a few bytes: whoever reads it checks how they begin, and their sum."""
    data = json.loads((bundles_folder() / "parotid-ct" / "bundle.json").read_text(encoding="utf-8"))
    for name in data["files"]:
        content = _HDF5 + name.encode() * 3
        (folder / "bundle" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "bundle" / name).write_bytes(content)
        data["files"][name] = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    path = folder / "bundle" / "bundle.json"
    path.write_text(json.dumps(data, indent=1), encoding="utf-8")
    return path


def _bundle_json_corpus(folder: Path) -> list[bytes]:
    return [_small_bundle(folder).read_bytes()]


def _bundle_json(path: Path, folder: Path) -> None:
    (folder / "bundle" / "bundle.json").write_bytes(path.read_bytes())
    load_bundle(folder / "bundle")


def _bundle_zip_corpus(folder: Path) -> list[bytes]:
    bundle = _small_bundle(folder).parent
    found = []
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        path = folder / f"{method}.zip"
        with zipfile.ZipFile(path, "w", method) as archive:
            for file in sorted(bundle.rglob("*")):
                if file.is_file():
                    archive.write(file, file.relative_to(bundle).as_posix())
        found.append(path.read_bytes())
    return found


def _bundle_zip(path: Path, folder: Path) -> None:
    load_bundle(path)


def _recipe_corpus(folder: Path) -> list[bytes]:
    return [load_recipe(name).to_json().encode("utf-8") for name in recipe_names()]


def _recipe(path: Path, folder: Path) -> None:
    load_recipe(str(path))


def _progress_corpus(folder: Path) -> list[bytes]:
    lines = [
        {"stage": "reading", "fraction": 0.0, "message": "Reading the scan"},
        {"stage": "segmenting", "fraction": 0.51, "message": "Tile 3 of 8", "tiles": [3, 8]},
        {"stage": "done", "fraction": 1.0, "report": {"volume_ml": {"Parotid_R": 24.1}}, "files": ["a.seg.nrrd"]},
    ]
    return ["\n".join(json.dumps(line) for line in lines).encode("utf-8")]


def _progress(path: Path, folder: Path) -> None:
    for line in path.read_bytes().decode("utf-8", "replace").splitlines():
        data = parse_line(line)
        if data is not None:
            progress = progress_of(data, None)
            assert 0.0 <= progress.fraction <= 1.0
            assert isinstance(progress.message, str)
            result_of(data)


_DICOM_WORDS = (
    b"\xfe\xff\x00\xe0",
    b"\xfe\xff\x0d\xe0",
    b"\xfe\xff\xdd\xe0",
    b"SQ",
    b"UN",
    b"DS",
    b"1.2.840.10008.1.2.4.70",
)
_JSON_WORDS = (
    b"null",
    b"[]",
    b"{}",
    b'"',
    b"NaN",
    b"\\ud800",
    b"\xff",
    b"1e999",
    b",",
    b'{"sha256": 1}',
    b"../",
    b"\x00",
)
_NRRD_WORDS = (
    b"space: left-posterior-superior\n",
    b"encoding: gzip\n",
    b"data file: /etc/passwd\n",
    b"kinds: list\n",
    b"none",
)

TARGETS: dict[str, Target] = {
    "dicom": Target(".dcm", _dicom_corpus, _dicom, _DICOM_WORDS),
    "rtstruct": Target(".dcm", _rtstruct_corpus, _rtstruct, _DICOM_WORDS),
    "seg": Target(".dcm", _seg_corpus, _seg, _DICOM_WORDS),
    "dose": Target(".dcm", _dose_corpus, _dose, _DICOM_WORDS),
    "nifti": Target(".nii", _written(".nii"), _image),
    "nifti-gz": Target(".nii.gz", _written(".nii"), _image, pack=lambda raw: gzip.compress(raw, 1)),
    "gzip": Target(".nii.gz", _written(".nii.gz"), _image),
    "nrrd": Target(".nrrd", _written(".nrrd"), _any_image, _NRRD_WORDS),
    "mask-nifti": Target(".nii", _written(".nii", labels=True), _mask),
    "mask-nrrd": Target(".seg.nrrd", _written(".nrrd", labels=True), _mask, _NRRD_WORDS),
    "bundle-zip": Target(".zip", _bundle_zip_corpus, _bundle_zip),
    "bundle-json": Target(".json", _bundle_json_corpus, _bundle_json, _JSON_WORDS),
    "recipe": Target(".json", _recipe_corpus, _recipe, _JSON_WORDS),
    "progress": Target(".txt", _progress_corpus, _progress, _JSON_WORDS),
}
