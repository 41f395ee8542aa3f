"""DICOM segmentations as other programs may write them: frames in any order, gaps, fractions; and what is refused."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from made_dicom_results import made_scan, write_ct
from pydicom.uid import RLELossless
from sentences import refusal

from ParotidSegLib.errors import DataError
from ParotidSegLib.reading.contours.origins.segments import read_segments
from ParotidSegLib.structures import PAROTIDS
from ParotidSegLib.writing.dicom_export import export_dicom

pytest.importorskip("highdicom")


@pytest.fixture(params=["axial", "coronal"])
def written(request, tmp_path) -> tuple[sitk.Image, Path]:
    scan, labels = made_scan(request.param)
    write_ct(tmp_path / "ct", scan)
    export_dicom(labels, tmp_path / "glands.seg.dcm", dicom=tmp_path / "ct")
    return labels, tmp_path / "glands.seg.dcm"


def bits_of(seg: pydicom.Dataset) -> np.ndarray:
    """Frames (n, y, x), 0 and 1."""
    shape = int(seg.NumberOfFrames), seg.Rows, seg.Columns
    return np.unpackbits(np.frombuffer(seg.PixelData, np.uint8), bitorder="little", count=np.prod(shape)).reshape(shape)


def with_frames(seg: pydicom.Dataset, frames: np.ndarray, groups: list, bits: int = 1) -> None:
    seg.NumberOfFrames = len(frames)
    seg.PerFrameFunctionalGroupsSequence = groups
    seg.BitsAllocated = seg.BitsStored = bits
    seg.HighBit = bits - 1
    packed = np.packbits(frames.ravel(), bitorder="little") if bits == 1 else frames.astype(np.uint8)
    seg.PixelData = packed.tobytes() + b"\0" * (packed.size % 2)


def same(path: Path, labels: sitk.Image) -> bool:
    """Whether both segments lie where the labels do, in the patient's space."""
    found = read_segments(path, PAROTIDS)
    grid = found.frames.grid
    assert [segment.code for segment in found.segments] == ["Parotid_R", "Parotid_L"]
    for segment, label in zip(found.segments, (1, 2), strict=True):
        image = sitk.GetImageFromArray(found.mask(segment.number).astype(np.uint8))
        image.CopyInformation(grid)
        moved = sitk.Resample(image, labels, sitk.Transform(), sitk.sitkNearestNeighbor)
        if not np.array_equal(sitk.GetArrayFromImage(moved) > 0, sitk.GetArrayFromImage(labels) == label):
            return False
    return True


def test_frames_in_any_order_lie_where_they_say(written):
    labels, path = written
    seg = pydicom.dcmread(path)
    order = np.random.default_rng(3).permutation(int(seg.NumberOfFrames))
    groups = list(seg.PerFrameFunctionalGroupsSequence)
    with_frames(seg, bits_of(seg)[order], [groups[k] for k in order])
    seg.save_as(path)
    assert same(path, labels)
    with_frames(seg, bits_of(seg)[order], [groups[k] for k in order])  # frames of other places
    seg.save_as(path)
    assert not same(path, labels)


def test_slices_without_a_frame_are_empty_and_the_distance_is_not_guessed_from_the_gap(written):
    labels, path = written
    seg = pydicom.dcmread(path)
    groups = list(seg.PerFrameFunctionalGroupsSequence)
    frames = bits_of(seg)
    places = [tuple(group.PlanePositionSequence[0].ImagePositionPatient) for group in groups]
    heights = sorted(set(places), key=lambda place: [float(value) for value in place])
    kept = [k for k, place in enumerate(places) if heights.index(place) % 2 == 0]
    with_frames(seg, frames[kept], [groups[k] for k in kept])
    seg.save_as(path)
    found = read_segments(path, PAROTIDS)
    # As the file says, not twice as much.
    assert found.frames.grid.GetSpacing()[2] == pytest.approx(labels.GetSpacing()[2], abs=1e-4)
    mask = found.mask(2)
    assert mask.any(axis=(1, 2)).sum() == len(
        {tuple(p) for k, p in enumerate(places) if k in kept and _is(groups[k], 2)}
    )


def _is(group: pydicom.Dataset, number: int) -> bool:
    return group.SegmentIdentificationSequence[0].ReferencedSegmentNumber == number


def test_fractions_count_from_one_half_and_that_is_said(written):
    labels, path = written
    seg = pydicom.dcmread(path)
    groups, frames = list(seg.PerFrameFunctionalGroupsSequence), bits_of(seg)
    seg.SegmentationType, seg.SegmentationFractionalType, seg.MaximumFractionalValue = "FRACTIONAL", "PROBABILITY", 200
    with_frames(seg, np.where(frames > 0, 100, 99), groups, bits=8)
    seg.save_as(path)
    assert same(path, labels)
    assert "at least 0.5 is inside" in read_segments(path, PAROTIDS).remarks()[0]


def test_runs_of_equal_values_are_decoded_and_other_compression_is_refused(written):
    labels, path = written
    seg = pydicom.dcmread(path)
    groups, frames = list(seg.PerFrameFunctionalGroupsSequence), bits_of(seg)
    seg.SegmentationType, seg.SegmentationFractionalType, seg.MaximumFractionalValue = "FRACTIONAL", "OCCUPANCY", 255
    with_frames(seg, frames * 255, groups, bits=8)
    packed = copy.deepcopy(seg)
    packed.compress(RLELossless)
    packed.save_as(path)
    assert same(path, labels)
    packed.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.90"  # JPEG 2000, it says
    packed.save_as(path)
    assert "compressed" in refusal(DataError, read_segments(path, PAROTIDS).mask, 1)


def moved_aside(groups: list) -> None:
    position = groups[0].PlanePositionSequence[0].ImagePositionPatient
    groups[0].PlanePositionSequence[0].ImagePositionPatient = [float(value) + 1.0 for value in position]


def turned(groups: list) -> None:
    item = pydicom.Dataset()
    item.ImageOrientationPatient = [0, 1, 0, -1, 0, 0]
    groups[0].PlaneOrientationSequence = [item]


def without_place(groups: list) -> None:
    for group in groups:
        del group.PlanePositionSequence


def without_group(groups: list) -> None:
    del groups[0]


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (moved_aside, "do not lie above one another"),
        (turned, "several orientations"),
        (without_place, "does not say where its frames lie"),
        (without_group, "damaged or incomplete"),
    ],
)
def test_frames_that_form_no_grid_are_refused(fault, said, written):
    _, path = written
    seg = pydicom.dcmread(path)
    groups = list(seg.PerFrameFunctionalGroupsSequence)
    fault(groups)
    seg.PerFrameFunctionalGroupsSequence = groups
    seg.save_as(path)
    assert said in refusal(DataError, read_segments, path, PAROTIDS)


def test_frames_at_odd_distances_are_refused(written):
    _, path = written
    seg = pydicom.dcmread(path)
    groups = list(seg.PerFrameFunctionalGroupsSequence)
    along = np.cross(*np.reshape(_orientation(seg), (2, 3)))
    heights = [float(np.dot(group.PlanePositionSequence[0].ImagePositionPatient, along)) for group in groups]
    for group, height in zip(groups, heights, strict=True):
        if height == max(heights):
            item = group.PlanePositionSequence[0]
            item.ImagePositionPatient = [float(v) for v in np.array(item.ImagePositionPatient, float) + 1.3 * along]
    seg.save_as(path)
    assert "irregular distances" in refusal(DataError, read_segments, path, PAROTIDS)


def _orientation(seg: pydicom.Dataset) -> list[float]:
    (shared,) = seg.SharedFunctionalGroupsSequence
    return [float(value) for value in shared.PlaneOrientationSequence[0].ImageOrientationPatient]


def test_a_file_that_was_cut_short_is_refused_wherever_it_was_cut(written, tmp_path):
    _, path = written
    content = path.read_bytes()
    for length in range(200, len(content) - 1, len(content) // 40):
        cut = tmp_path / "cut.dcm"
        cut.write_bytes(content[:length])
        with pytest.raises(DataError):
            read_segments(cut, PAROTIDS).mask(1)


def test_a_surface_is_no_segmentation_of_voxels(written):
    _, path = written
    seg = pydicom.dcmread(path)
    seg.SOPClassUID = "1.2.840.10008.5.1.4.1.1.66.5"
    seg.save_as(path)
    assert "surfaces" in refusal(DataError, read_segments, path, PAROTIDS)
