"""Small made images for tests: a head of simple shapes in HU, and files of it that are sound or broken on purpose.

Everything is deterministic. Images are SimpleITK images (LPS, mm); arrays are (z, y, x).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk

AIR, FAT, MUSCLE, BONE = -1000, -100, 50, 900
#: A SeriesInstanceUID of no institution (the root 2.25 is free for anyone).
SERIES_UID = "2.25.1001"
CT_IMAGE, CT_ENHANCED = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.2.1"
CONTOURS = "1.2.840.10008.5.1.4.1.1.481.3"


def made_head(
    size: Sequence[int] = (40, 40, 20),
    spacing: Sequence[float] = (5.0, 5.0, 6.0),
    *,
    origin: Sequence[float] = (-100.0, -90.0, 30.0),
    seed: int = 1,
) -> sitk.Image:
    """An int16 CT in HU: an elliptic cylinder of muscle with a rind of fat, a ring of bone and an airway, and noise.

    Args:
        size, spacing: voxels and mm, (x, y, z).
        origin: centre of the first voxel, mm, LPS.
        seed: of the noise (standard deviation 10 HU).
    """
    columns, rows, slices = size
    y, x = np.meshgrid(np.linspace(-1, 1, rows), np.linspace(-1, 1, columns), indexing="ij")
    radius = np.hypot(x / 0.8, y / 0.95)
    section = np.select(
        [np.hypot(x, y - 0.2) < 0.12, radius < 0.55, radius < 0.65, radius < 0.85, radius < 1.0],
        [AIR, MUSCLE, BONE, MUSCLE, FAT],
        default=AIR,
    )
    noise = np.random.default_rng(seed).normal(0, 10, (slices, rows, columns))
    image = sitk.GetImageFromArray(np.rint(section + noise).astype(np.int16))
    image.SetSpacing(list(spacing))
    image.SetOrigin(list(origin))
    return image


def like(image: sitk.Image, array: np.ndarray) -> sitk.Image:
    """Other values (z, y, x) on the grid of an image."""
    other = sitk.GetImageFromArray(array)
    other.CopyInformation(image)
    return other


def values(image: sitk.Image) -> np.ndarray:
    """The values of an image (z, y, x), as a copy in int32 or float64 that calculations do not overflow."""
    array = sitk.GetArrayFromImage(image)
    return array.astype(np.float64 if np.issubdtype(array.dtype, np.floating) else np.int32)


def write_dicom_series(
    folder: Path,
    image: sitk.Image,
    *,
    uid: str = SERIES_UID,
    number: int = 1,
    tags: Mapping[str, str] | None = None,
    shift: Callable[[int], Sequence[float]] = lambda index: (0.0, 0.0, 0.0),
) -> list[Path]:
    """Write an int16 image as one DICOM file a slice.

    Args:
        folder: made if needed. File names run against the order of the slices, so that no reader can rely on them.
        image: three-dimensional, scalar.
        uid, number: SeriesInstanceUID and SeriesNumber.
        tags: more tags, such as {"0008|103e": "Head"}; an empty text leaves the tag away.
        shift: moves the slice of this index by (x, y, z) mm, LPS.

    Returns:
        The files, in the order of the slices.
    """
    folder.mkdir(parents=True, exist_ok=True)
    axes = np.reshape(image.GetDirection(), (3, 3))
    files = []
    for index in range(image.GetDepth()):
        position = np.add(image.TransformIndexToPhysicalPoint((0, 0, index)), shift(index))
        all_tags = {
            "0008|0008": "ORIGINAL\\PRIMARY\\AXIAL",
            "0008|0016": CT_IMAGE,
            "0008|0018": f"{uid}.{index + 1}",
            "0008|0060": "CT",
            "0010|0010": "Doe^Jane",
            "0020|000d": "2.25.1000",
            "0020|000e": uid,
            "0020|0011": str(number),
            "0020|0013": str(index + 1),
            "0020|0032": "\\".join(f"{value:.6f}" for value in position),
            "0020|0037": "\\".join(f"{value:.6f}" for value in axes[:, :2].T.ravel()),
            **(tags or {}),
        }
        # One-slice volumes keep the pixel spacing, which two-dimensional slices would lose.
        one = image[:, :, index : index + 1]
        for tag, text in all_tags.items():
            if text:
                one.SetMetaData(tag, text)
        files.append(folder / f"{uid}-{image.GetDepth() - index:04d}.dcm")
        _write_dicom(one, files[-1])
    return files


def write_multiframe(path: Path, image: sitk.Image, *, tags: Mapping[str, str] | None = None) -> None:
    """Write a three-dimensional image as one DICOM file with many frames."""
    image = sitk.Image(image)
    for tag, text in {"0008|0016": CT_ENHANCED, "0008|0060": "CT", "0020|000e": SERIES_UID, **(tags or {})}.items():
        image.SetMetaData(tag, text)
    _write_dicom(image, path)


def _write_dicom(image: sitk.Image, path: Path) -> None:
    writer = sitk.ImageFileWriter()
    writer.SetImageIO("GDCMImageIO")
    writer.KeepOriginalImageUIDOn()
    writer.SetFileName(str(path))
    writer.Execute(image)


def write_dicom_without_pixels(path: Path, *, sop_class: str = CONTOURS) -> None:
    """Write a DICOM object that has no pixels, as contours or plans are: little but the file meta information."""

    def element(group: int, number: int, kind: bytes, text: str) -> bytes:
        raw = text.encode("ascii")
        raw += (b"\0" if kind == b"UI" else b" ") * (len(raw) % 2)
        tag = group.to_bytes(2, "little") + number.to_bytes(2, "little")
        return tag + kind + len(raw).to_bytes(2, "little") + raw

    meta = (
        element(2, 2, b"UI", sop_class)
        + element(2, 3, b"UI", "2.25.7")
        + element(2, 0x10, b"UI", "1.2.840.10008.1.2.1")
    )
    length = b"\x02\x00\x00\x00UL\x04\x00" + len(meta).to_bytes(4, "little")
    content = (
        element(8, 0x16, b"UI", sop_class) + element(8, 0x18, b"UI", "2.25.7") + element(8, 0x60, b"CS", "RTSTRUCT")
    )
    path.write_bytes(bytes(128) + b"DICM" + length + meta + content)


def cut_short(path: Path, share: float = 0.6) -> None:
    """Keep only the first part of a file."""
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
