"""DICOM files as scanners, archives and attackers make them: compressed, many-framed, doubled, nested without end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pydicom
import SimpleITK as sitk
from made_images import write_multiframe
from pydicom.dataset import Dataset
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, JPEG2000Lossless, RLELossless

CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
PAGE = {"0008|0008": "DERIVED\\SECONDARY\\SCREEN SAVE", "0008|0016": CAPTURE}
#: As pydicom can write them without further packages, and as ITK can.
SYNTAXES = {
    "deflated": DeflatedExplicitVRLittleEndian,
    "explicit": ExplicitVRLittleEndian,
    "RLE": RLELossless,
    "JPEG 2000": JPEG2000Lossless,
}


def store_as(path: Path, syntax: UID) -> None:
    """Write a file anew in another transfer syntax."""
    if syntax == JPEG2000Lossless:
        image = sitk.ReadImage(str(path), sitk.sitkInt16)
        writer = sitk.ImageFileWriter()
        writer.SetImageIO("GDCMImageIO")
        writer.KeepOriginalImageUIDOn()
        writer.UseCompressionOn()
        writer.SetFileName(str(path))
        writer.Execute(image)
        return
    dataset = pydicom.dcmread(path)
    if syntax == RLELossless:
        dataset.compress(RLELossless, generate_instance_uid=False)
    else:
        dataset.file_meta.TransferSyntaxUID = syntax
        dataset["PixelData"].VR = "OW"
    dataset.save_as(path, implicit_vr=False, little_endian=True)


def without_place(path: Path, *, size: int = 0) -> None:
    """Take away where a slice lies, as a page has none; `size` makes it a page of so many rows and columns."""
    dataset = pydicom.dcmread(path)
    for name in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
        if name in dataset:
            delattr(dataset, name)
    if size:
        dataset.Rows = dataset.Columns = size
        dataset.PixelData = bytes(2 * size * size)
    dataset.save_as(path)


def write_frames(
    path: Path,
    image: sitk.Image,
    *,
    order: Sequence[int] | None = None,
    rescales: Sequence[tuple[float, float]] = ((1.0, -1024.0),),
    syntax: UID = ExplicitVRLittleEndian,
) -> None:
    """Write an enhanced CT of which each frame states its position and its rescale.

    Args:
        path: the file.
        image: int16, HU.
        order: which slice each frame shows; a slice may come twice. By default all, in order.
        rescales: slope and intercept of the frames, in turn.
        syntax: transfer syntax.
    """
    order = list(range(image.GetDepth()) if order is None else order)
    write_multiframe(path, image)
    dataset = pydicom.dcmread(path)
    values = sitk.GetArrayFromImage(image).astype(np.float64)
    frames, stored = [], []
    for frame, index in enumerate(order):
        slope, intercept = rescales[frame % len(rescales)]
        stored.append(np.rint((values[index] - intercept) / slope))
        group, place, transform = Dataset(), Dataset(), Dataset()
        place.ImagePositionPatient = [f"{x:.4f}" for x in image.TransformIndexToPhysicalPoint((0, 0, index))]
        transform.RescaleSlope, transform.RescaleIntercept, transform.RescaleType = f"{slope:g}", f"{intercept:g}", "HU"
        group.PlanePositionSequence, group.PixelValueTransformationSequence = [place], [transform]
        frames.append(group)
    shared, plane, measures = Dataset(), Dataset(), Dataset()
    axes = np.reshape(image.GetDirection(), (3, 3))
    plane.ImageOrientationPatient = [f"{x:.6f}" for x in axes[:, :2].T.ravel()]
    measures.PixelSpacing = [f"{x:.4f}" for x in image.GetSpacing()[1::-1]]
    shared.PlaneOrientationSequence, shared.PixelMeasuresSequence = [plane], [measures]
    dataset.SharedFunctionalGroupsSequence, dataset.PerFrameFunctionalGroupsSequence = [shared], frames
    dataset.NumberOfFrames = len(order)
    for name in ("RescaleSlope", "RescaleIntercept"):
        if name in dataset:
            delattr(dataset, name)
    dataset.PixelRepresentation = 1
    dataset.PixelData = np.array(stored).astype("<i2").tobytes()
    dataset["PixelData"].VR = "OW"
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.save_as(path, implicit_vr=False, little_endian=True)
    if syntax != ExplicitVRLittleEndian:
        store_as(path, syntax)


def nest_without_end(path: Path, depth: int = 12_000) -> None:
    """Put sequences within sequences into the header of a sound file: well formed, and too deep for any stack."""
    store_as(path, ExplicitVRLittleEndian)
    content = path.read_bytes()
    pixels = content.rindex(b"\xe0\x7f\x10\x00OW")
    opening = b"\x09\x00\x10\x10SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    closing = b"\xfe\xff\x0d\xe0\0\0\0\0" + b"\xfe\xff\xdd\xe0\0\0\0\0"
    path.write_bytes(content[:pixels] + opening * depth + closing * depth + content[pixels:])
