"""Structure sets: the mask comes back in any orientation, left is left, and the header says what it must."""

from __future__ import annotations

import datetime
from pathlib import Path

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
    TAGS,
    change,
    contours_of,
    expected,
    filled_contours,
    headers,
    made_scan,
    points_of,
    write_ct,
)
from made_images import SERIES_UID, like, made_head, write_dicom_series
from orientations import reoriented
from sentences import refusal

from ParotidSegLib.errors import OutputError
from ParotidSegLib.structures import LEFT_PAROTID, PAROTIDS, RIGHT_PAROTID
from ParotidSegLib.version import __version__
from ParotidSegLib.writing.dicom_reference import DicomReference, Origin
from ParotidSegLib.writing.dicom_rtstruct import write_rtstruct


def written(labels: sitk.Image, folder: Path, **options) -> pydicom.Dataset:
    """The structure set of a label map, read back with pydicom alone."""
    path = folder.parent / "made.rtstruct.dcm"
    write_rtstruct(labels, path, DicomReference.open(folder), **options)
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


# --- geometry --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_the_masks_come_back_in_every_orientation_of_the_series(tmp_path, direction):
    scan, labels = made_scan(direction)
    write_ct(tmp_path / "ct", scan)
    dataset = written(labels, tmp_path / "ct")
    for structure in PAROTIDS:
        masks = expected(labels, structure.label, tmp_path / "ct")
        assert sum(mask.sum() for mask in masks.values()) > 100
        for combine in (np.logical_xor, np.logical_or):
            found = filled_contours(dataset, structure.key, tmp_path / "ct", combine=combine)
            assert all(np.array_equal(found[uid], mask) for uid, mask in masks.items())


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_left_is_left(tmp_path, direction):
    scan, labels = made_scan(direction)
    write_ct(tmp_path / "ct", scan)
    dataset = written(labels, tmp_path / "ct")
    across = {
        key: np.vstack([points_of(c) for c in contours_of(dataset, key)])[:, 0] for key in ("Parotid_R", "Parotid_L")
    }
    assert across["Parotid_R"].max() < across["Parotid_L"].min()
    codes = {
        roi.ROIName: observation.RTROIIdentificationCodeSequence[0]
        .SegmentedPropertyTypeModifierCodeSequence[0]
        .CodeMeaning
        for roi, observation in zip(dataset.StructureSetROISequence, dataset.RTROIObservationsSequence, strict=True)
    }
    assert codes == {"Parotid_R": "Right", "Parotid_L": "Left"}


@pytest.mark.parametrize(
    ("order", "flips"),
    [((0, 1, 2), (True, True, False)), ((2, 0, 1), (False, True, False)), ((1, 0, 2), (False, False, True))],
)
def test_a_label_map_stored_another_way_gives_the_same_contours(ct, labels, dataset, order, flips):
    other = written(reoriented(labels, order, flips), ct)
    for structure in PAROTIDS:
        pairs = zip(contours_of(dataset, structure.key), contours_of(other, structure.key), strict=True)
        assert all(np.array_equal(points_of(a), points_of(b)) for a, b in pairs)


def test_a_part_of_the_grid_gives_the_same_contours(ct, labels, dataset):
    """Slicer may save the box around the segments alone."""
    shapes = sitk.LabelShapeStatisticsImageFilter()
    shapes.Execute(labels != 0)
    x, y, z, width, height, depth = shapes.GetBoundingBox(1)
    other = written(labels[x : x + width, y : y + height, z : z + depth], ct)
    assert [points_of(c).tolist() for c in contours_of(other, "Parotid_L")] == [
        points_of(c).tolist() for c in contours_of(dataset, "Parotid_L")
    ]


@pytest.mark.parametrize("direction", ["axial", "oblique", "rows and slices reversed"])
def test_our_own_reader_draws_the_same_masks(tmp_path, direction):
    from ParotidSegLib.reading.contours.drawing import draw
    from ParotidSegLib.reading.contours.structure_sets import read_structure_set

    scan, labels = made_scan(direction)
    write_ct(tmp_path / "ct", scan)
    write_rtstruct(labels, tmp_path / "made.rtstruct.dcm", DicomReference.open(tmp_path / "ct"))
    regions = read_structure_set(tmp_path / "made.rtstruct.dcm")
    for structure in PAROTIDS:
        drawn = draw(regions.contours_of(structure.key).closed, labels)
        assert np.array_equal(drawn.mask, sitk.GetArrayViewFromImage(labels) == structure.label)


def test_each_piece_is_one_closed_contour_with_a_channel_to_its_hole(ct, labels, dataset):
    counts: dict[str, int] = {}
    for contour in contours_of(dataset, "Parotid_R"):
        assert contour.ContourGeometricType == "CLOSED_PLANAR"
        assert contour.NumberOfContourPoints == len(points_of(contour)) >= 4
        uid = contour.ContourImageSequence[0].ReferencedSOPInstanceUID
        counts[uid] = counts.get(uid, 0) + 1
    inside = labels == RIGHT_PAROTID.label
    pieces = {k: number_of_pieces(inside[:, :, k]) for k in range(labels.GetDepth())}
    assert sorted(counts.values()) == sorted(number for number in pieces.values() if number)
    # Of the background of a slice, one piece lies outside; others are holes.
    assert max(number_of_pieces(~inside[:, :, k] & 1) for k in range(labels.GetDepth())) == 2


def number_of_pieces(mask: sitk.Image) -> int:
    components = sitk.ConnectedComponentImageFilter()
    components.Execute(mask)
    return components.GetObjectCount()


def test_contours_run_up_the_patient_in_order(ct, dataset):
    heights = [points_of(contour)[0, 2] for contour in contours_of(dataset, "Parotid_L")]
    assert heights == sorted(heights)
    assert [c.ContourNumber for c in contours_of(dataset, "Parotid_L")] == list(range(1, len(heights) + 1))


def test_positions_that_were_rounded_are_followed_slice_by_slice(tmp_path, labels):
    """Contours lie where the headers say that the slices are, not where a regular grid would have them."""
    scan, _ = made_scan()
    write_dicom_series(tmp_path / "ct", scan, tags=TAGS, shift=lambda index: (0, 0, 0.05 * (index % 2)))
    dataset = written(labels, tmp_path / "ct")
    filled_contours(dataset, "Parotid_R", tmp_path / "ct")  # checks that each lies in its slice
    heights = {points_of(contour)[0, 2] for contour in contours_of(dataset, "Parotid_R")}
    assert {round(height * 100) % 300 for height in heights} == {25, 30}


# --- what it is ------------------------------------------------------------------------------------------------------


def test_it_belongs_to_the_study_and_the_frame_of_reference_of_the_ct(ct, dataset):
    assert dataset.SOPClassUID.name == "RT Structure Set Storage"
    assert dataset.Modality == "RTSTRUCT"
    assert dataset.StudyInstanceUID == STUDY
    assert dataset.FrameOfReferenceUID == FRAME
    (frame,) = dataset.ReferencedFrameOfReferenceSequence
    assert frame.FrameOfReferenceUID == FRAME
    (study,) = frame.RTReferencedStudySequence
    assert study.ReferencedSOPInstanceUID == STUDY
    (series,) = study.RTReferencedSeriesSequence
    assert series.SeriesInstanceUID == SERIES_UID
    assert {image.ReferencedSOPInstanceUID for image in series.ContourImageSequence} == set(headers(ct))
    assert {roi.ReferencedFrameOfReferenceUID for roi in dataset.StructureSetROISequence} == {FRAME}


def test_the_patient_and_the_study_are_those_of_the_ct(dataset):
    assert dataset.PatientName == PATIENT
    assert (dataset.PatientID, dataset.PatientBirthDate, dataset.PatientSex) == ("ID-4711", "19501231", "F")
    assert (dataset.StudyDate, dataset.StudyTime, dataset.AccessionNumber) == ("20200102", "101112", "A17")


def test_it_says_who_made_it_and_when_and_that_nobody_approved_it(ct, labels, dataset):
    today = {f"{datetime.date.today() - datetime.timedelta(days=days):%Y%m%d}" for days in (0, 1)}
    assert {dataset.StructureSetDate, dataset.SeriesDate, dataset.InstanceCreationDate} <= today
    assert (dataset.Manufacturer, dataset.ManufacturerModelName) == ("The ParotidSeg contributors", "ParotidSeg")
    assert dataset.SoftwareVersions == __version__
    assert dataset.SeriesDescription == "ParotidSeg contours"
    assert dataset.StructureSetLabel == "ParotidSeg"
    assert dataset.ApprovalStatus == "UNAPPROVED"


def test_every_file_has_identifiers_of_its_own(ct, labels, dataset):
    other = written(labels, ct)
    for keyword in ("SOPInstanceUID", "SeriesInstanceUID"):
        assert len({dataset[keyword].value, other[keyword].value, SERIES_UID}) == 3
    assert dataset.file_meta.MediaStorageSOPInstanceUID == dataset.SOPInstanceUID


def test_the_structures_have_names_types_codes_and_colours(dataset):
    assert [roi.ROIName for roi in dataset.StructureSetROISequence] == ["Parotid_R", "Parotid_L"]
    assert [roi.ROIGenerationAlgorithm for roi in dataset.StructureSetROISequence] == ["AUTOMATIC"] * 2
    for structure, observation, item in zip(
        PAROTIDS, dataset.RTROIObservationsSequence, dataset.ROIContourSequence, strict=True
    ):
        assert observation.RTROIInterpretedType == "ORGAN"
        (category,) = observation.SegmentedPropertyCategoryCodeSequence
        (kind,) = observation.RTROIIdentificationCodeSequence
        (side,) = kind.SegmentedPropertyTypeModifierCodeSequence
        for code, concept in ((category, structure.category), (kind, structure.type), (side, structure.laterality)):
            assert (code.CodingSchemeDesignator, code.CodeValue, code.CodeMeaning) == (
                concept.scheme,
                concept.value,
                concept.meaning,
            )
        assert tuple(item.ROIDisplayColor) == structure.colour
        assert item.ReferencedROINumber == observation.ReferencedROINumber


def test_the_origin_of_the_contours_is_told(ct, labels):
    dataset = written(labels, ct, origin=Origin("parotid-ct", "1.2.3", edited=True))
    for roi in dataset.StructureSetROISequence:
        assert roi.ROIGenerationAlgorithm == "SEMIAUTOMATIC"
        (algorithm,) = roi.ROIDerivationAlgorithmIdentificationSequence
        assert (algorithm.AlgorithmName, algorithm.AlgorithmVersion) == ("parotid-ct", "1.2.3")


def test_a_structure_without_a_voxel_is_left_out(ct, labels):
    only_left = like(labels, sitk.GetArrayFromImage(labels) // 2 * 2)
    dataset = written(only_left, ct)
    for sequence in (dataset.StructureSetROISequence, dataset.ROIContourSequence, dataset.RTROIObservationsSequence):
        assert len(sequence) == 1
    assert dataset.StructureSetROISequence[0].ROIName == "Parotid_L"


def test_only_the_structures_asked_for_are_written_and_empty_ones_refused(ct, labels, tmp_path):
    dataset = written(labels, ct, structures=(LEFT_PAROTID,))
    assert [roi.ROIName for roi in dataset.StructureSetROISequence] == ["Parotid_L"]
    target = tmp_path / "empty.rtstruct.dcm"
    text = refusal(OutputError, write_rtstruct, labels * 0, target, DicomReference.open(ct))
    assert "nothing to write" in text
    assert not target.exists()


def test_a_structure_without_a_side_has_a_code_without_one(ct, labels):
    dataset = written(labels, ct, structures=(RIGHT_PAROTID, MANDIBLE))
    assert [roi.ROIName for roi in dataset.StructureSetROISequence] == ["Parotid_R", "Bone_Mandible"]
    (code,) = dataset.RTROIObservationsSequence[1].RTROIIdentificationCodeSequence
    assert code.CodeMeaning == "Mandible"
    assert "SegmentedPropertyTypeModifierCodeSequence" not in code


def test_a_contour_of_many_points_is_whole(tmp_path):
    """Formats with explicit value representations would end it at 64 kB."""
    scan = made_head((700, 30, 4))
    scan.SetDirection(DIRECTIONS["oblique"])
    write_ct(tmp_path / "ct", scan)
    comb = np.zeros((4, 30, 700), np.uint8)
    comb[2, 4:26, 1:-1:2] = 1
    comb[2, 15, 1:-1] = 1
    (contour,) = contours_of(written(like(scan, comb), tmp_path / "ct"), "Parotid_R")
    assert sum(len(str(number)) + 1 for number in contour.ContourData) > 2**16
    found = filled_contours(pydicom.dcmread(tmp_path / "made.rtstruct.dcm"), "Parotid_R", tmp_path / "ct")
    assert sum(mask.sum() for mask in found.values()) == comb.sum()


# --- headers as they come --------------------------------------------------------------------------------------------


def test_a_header_without_what_may_be_empty_is_no_fault(tmp_path):
    scan, labels = made_scan()
    keywords = ("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "StudyID", "StudyDate", "StudyTime")
    change(
        write_ct(tmp_path / "ct", scan),
        **dict.fromkeys((*keywords, "AccessionNumber", "ReferringPhysicianName"), None),
    )
    dataset = written(labels, tmp_path / "ct")
    assert [dataset[keyword].value or "" for keyword in keywords] == [""] * len(keywords)


def test_values_that_break_the_rules_do_no_harm(tmp_path):
    scan, labels = made_scan()
    change(
        write_ct(tmp_path / "ct", scan),
        PatientSex="female",
        PatientBirthDate="spring 1950",
        StudyTime="noon",
        PatientID="x" * 80,
        SpecificCharacterSet="LATIN1",
    )
    dataset = written(labels, tmp_path / "ct")
    with pydicom.config.disable_value_validation():
        assert (dataset.PatientSex, dataset.PatientBirthDate, dataset.StudyTime) == ("", "", "")
        assert dataset.PatientID == "x" * 80


@pytest.mark.parametrize(
    ("character_set", "name"),
    [
        ("ISO_IR 100", "Müller^Jörg"),
        ("ISO_IR 192", "Žižka^頭"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎"),
        (None, "Plain^Name"),
    ],
)
def test_the_name_of_the_patient_keeps_its_characters(tmp_path, character_set, name):
    scan, labels = made_scan()
    change(write_ct(tmp_path / "ct", scan), SpecificCharacterSet=character_set, PatientName=name)
    dataset = written(labels, tmp_path / "ct")
    assert dataset.PatientName == name
    assert dataset.get("SpecificCharacterSet") == character_set


def test_nothing_of_the_patient_is_printed_or_logged(tmp_path, capfd, caplog, recwarn):
    scan, labels = made_scan()
    change(write_ct(tmp_path / "ct", scan), PatientName="SECRET", PatientID="HIDDEN" * 12)
    with caplog.at_level("DEBUG"):
        dataset = written(labels, tmp_path / "ct")
    captured = capfd.readouterr()
    seen = captured.out + captured.err + caplog.text + " ".join(str(warning.message) for warning in recwarn)
    assert dataset.PatientName == "SECRET"
    assert "SECRET" not in seen and "HIDDEN" not in seen
