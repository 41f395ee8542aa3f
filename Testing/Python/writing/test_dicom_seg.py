"""DICOM segmentations: the voxels come back in any orientation, left is left, and the header says what it must."""

from __future__ import annotations

from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from made_dicom_results import (
    DIRECTIONS,
    FRAME,
    MANDIBLE,
    PATIENT,
    STUDY,
    change,
    expected,
    frames_of,
    headers,
    made_scan,
    write_ct,
)
from made_images import SERIES_UID, like
from orientations import reoriented
from sentences import refusal

from ParotidSegLib.errors import OutputError
from ParotidSegLib.structures import PAROTIDS
from ParotidSegLib.writing.dicom_reference import DicomReference, Origin
from ParotidSegLib.writing.dicom_seg import write_seg


def written(labels: sitk.Image, folder: Path, **options) -> pydicom.Dataset:
    """The SEG of a label map, read back with pydicom alone."""
    path = folder.parent / "made.seg.dcm"
    write_seg(labels, path, DicomReference.open(folder), **options)
    return pydicom.dcmread(path)


@pytest.fixture(scope="module")
def ct(tmp_path_factory) -> Path:
    """The folder of an axial series; not to be changed."""
    folder = tmp_path_factory.mktemp("made") / "ct"
    write_ct(folder, made_scan()[0])
    return folder


@pytest.fixture(scope="module")
def labels() -> sitk.Image:
    return made_scan()[1]


@pytest.fixture(scope="module")
def dataset(ct, labels) -> pydicom.Dataset:
    return written(labels, ct)


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_the_voxels_come_back_in_every_orientation_of_the_series(tmp_path, direction):
    scan, labels = made_scan(direction)
    write_ct(tmp_path / "ct", scan)
    dataset = written(labels, tmp_path / "ct")
    slices = headers(tmp_path / "ct")
    orientation = dataset.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0].ImageOrientationPatient
    for number, structure in enumerate(PAROTIDS, start=1):
        masks = expected(labels, structure.label, tmp_path / "ct")
        frames = list(frames_of(dataset, number))
        assert {uid for uid, _, _ in frames} == {uid for uid, mask in masks.items() if mask.any()}
        for uid, frame, position in frames:
            assert np.array_equal(frame, masks[uid])
            assert position == pytest.approx(slices[uid].ImagePositionPatient)
            assert orientation == pytest.approx(slices[uid].ImageOrientationPatient)


@pytest.mark.parametrize("direction", ["axial", "rows and columns reversed", "sagittal"])
def test_left_is_left(tmp_path, direction):
    scan, labels = made_scan(direction)
    write_ct(tmp_path / "ct", scan)
    dataset = written(labels, tmp_path / "ct")
    orientation = dataset.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0].ImageOrientationPatient
    between_rows, between_columns = dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing
    across = {}
    for segment in dataset.SegmentSequence:
        side = segment.SegmentedPropertyTypeCodeSequence[0].SegmentedPropertyTypeModifierCodeSequence[0].CodeMeaning
        middles = []
        for _, frame, position in frames_of(dataset, segment.SegmentNumber):
            rows, columns = np.nonzero(frame)
            middles.extend(
                position[0] + columns * between_columns * orientation[0] + rows * between_rows * orientation[3]
            )
        across[side] = np.mean(middles)
    assert across["Left"] > across["Right"] + 20.0


def test_a_label_map_stored_another_way_gives_the_same_voxels(ct, labels, dataset):
    other = written(reoriented(labels, (1, 2, 0), (True, False, True)), ct)
    assert np.array_equal(other.pixel_array, dataset.pixel_array)


def test_it_belongs_to_the_study_of_the_ct_and_refers_to_its_images(ct, dataset):
    assert dataset.SOPClassUID.name == "Segmentation Storage"
    assert (dataset.Modality, dataset.SegmentationType) == ("SEG", "BINARY")
    assert (dataset.StudyInstanceUID, dataset.FrameOfReferenceUID) == (STUDY, FRAME)
    assert (dataset.PatientName, dataset.PatientID, dataset.PatientSex) == (PATIENT, "ID-4711", "F")
    (series,) = dataset.ReferencedSeriesSequence
    assert series.SeriesInstanceUID == SERIES_UID
    assert {image.ReferencedSOPInstanceUID for image in series.ReferencedInstanceSequence} == set(headers(ct))
    assert dataset.SeriesInstanceUID != SERIES_UID
    assert dataset.SeriesDescription == "ParotidSeg segmentation"


@pytest.mark.parametrize(("thickness", "told"), [(None, 3.0), ("", 3.0), (0, 3.0), ([1, 2], 3.0), (1.25, 1.25)])
def test_the_distance_of_slices_is_told_whatever_their_thickness(tmp_path, thickness, told):
    scan, labels = made_scan()
    change(write_ct(tmp_path / "ct", scan), SliceThickness=thickness, SpacingBetweenSlices=-1.5)
    measures = written(labels, tmp_path / "ct").SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    assert (measures.SpacingBetweenSlices, measures.SliceThickness) == (3.0, told)
    assert list(measures.PixelSpacing) == [2.5, 2.0]


def test_orientations_that_differ_by_rounding_are_no_fault(tmp_path):
    scan, labels = made_scan("oblique")
    files = write_ct(tmp_path / "ct", scan)
    for path in files[::2]:
        rounded = [round(float(cosine), 4) for cosine in pydicom.dcmread(path).ImageOrientationPatient]
        change([path], ImageOrientationPatient=rounded)
    dataset = written(labels, tmp_path / "ct")
    masks = expected(labels, 1, tmp_path / "ct")
    assert all(np.array_equal(frame, masks[uid]) for uid, frame, _ in frames_of(dataset, 1))


def test_the_segments_have_names_codes_and_colours(dataset):
    assert [segment.SegmentNumber for segment in dataset.SegmentSequence] == [1, 2]
    for segment, structure in zip(dataset.SegmentSequence, PAROTIDS, strict=True):
        assert (segment.SegmentLabel, segment.SegmentDescription) == (structure.name, structure.key)
        assert segment.SegmentAlgorithmType == "AUTOMATIC"
        (category,) = segment.SegmentedPropertyCategoryCodeSequence
        (kind,) = segment.SegmentedPropertyTypeCodeSequence
        (side,) = kind.SegmentedPropertyTypeModifierCodeSequence
        for code, concept in ((category, structure.category), (kind, structure.type), (side, structure.laterality)):
            assert (code.CodingSchemeDesignator, code.CodeValue) == (concept.scheme, concept.value)
        colour = highdicom.color.CIELabColor.from_dicom_value(segment.RecommendedDisplayCIELabValue)
        assert colour.to_rgb() == pytest.approx(structure.colour, abs=1)


def test_the_origin_of_the_contours_is_told(ct, labels):
    for segment in written(labels, ct, origin=Origin("parotid-ct", "1.2.3", edited=True)).SegmentSequence:
        assert segment.SegmentAlgorithmType == "SEMIAUTOMATIC"
        assert segment.SegmentAlgorithmName == "parotid-ct"


def test_a_missing_gland_leaves_no_segment_and_the_other_its_side(ct, labels):
    dataset = written(like(labels, sitk.GetArrayFromImage(labels) // 2 * 2), ct)
    (segment,) = dataset.SegmentSequence
    assert (segment.SegmentNumber, segment.SegmentDescription) == (1, "Parotid_L")
    masks = expected(labels, 2, ct)
    assert all(np.array_equal(frame, masks[uid]) for uid, frame, _ in frames_of(dataset, 1))


def test_a_structure_without_a_side_has_a_code_without_one(ct, labels):
    (segment,) = written(labels, ct, structures=(MANDIBLE,)).SegmentSequence
    (code,) = segment.SegmentedPropertyTypeCodeSequence
    assert (segment.SegmentLabel, code.CodeMeaning) == ("Mandible", "Mandible")
    assert "SegmentedPropertyTypeModifierCodeSequence" not in code


def test_an_empty_label_map_is_refused(ct, labels, tmp_path):
    target = tmp_path / "empty.seg.dcm"
    assert "nothing to write" in refusal(OutputError, write_seg, labels * 0, target, DicomReference.open(ct))
    assert not target.exists()


def test_headers_as_they_come_are_no_fault(tmp_path, capfd, caplog):
    scan, labels = made_scan()
    change(
        write_ct(tmp_path / "ct", scan),
        PatientName=["SECRET", "OTHER"],
        PatientSex="female",
        PatientBirthDate="spring 1950",
        StudyTime="noon",
        SpecificCharacterSet="",
        **dict.fromkeys(("PatientID", "StudyID", "StudyDate", "AccessionNumber", "ReferringPhysicianName"), None),
    )
    with caplog.at_level("DEBUG"):
        dataset = written(labels, tmp_path / "ct")
    captured = capfd.readouterr()
    assert "SECRET" not in captured.out + captured.err + caplog.text
    assert dataset.PatientName == "SECRET"
    assert dataset.PatientSex == ""
