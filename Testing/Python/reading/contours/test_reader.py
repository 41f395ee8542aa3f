"""Contours of any origin come in where they were drawn; what is lost is said, what cannot be taken gets a sentence."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from made_dicom import write_structure_set
from made_dicom_results import DIRECTIONS, FRAME, MANDIBLE, made_scan, write_ct
from made_images import like
from sentences import refusal

from ParotidSegLib.errors import DataError
from ParotidSegLib.reading.contours.reader import Contours, read_contours
from ParotidSegLib.reading.images import read_series
from ParotidSegLib.structures import PAROTIDS
from ParotidSegLib.writing.dicom_export import export_dicom
from ParotidSegLib.writing.export import write_segmentation

pytest.importorskip("highdicom")
FORMATS = ("glands.rtstruct.dcm", "glands.seg.dcm", "glands.seg.nrrd", "glands.nii.gz", "glands.mha")


@pytest.fixture
def case(tmp_path) -> tuple[sitk.Image, sitk.Image, Path]:
    """A scan as it is read from its DICOM folder, labels on it, and a folder with both and their results."""
    return made_case(tmp_path, "axial")


def made_case(folder: Path, direction: str) -> tuple[sitk.Image, sitk.Image, Path]:
    scan, labels = made_scan(direction)
    files = write_ct(folder / "ct", scan)
    # Too few slices for a head, so not through read_image; the glands stay where they are in the patient.
    image = read_series(files, whole_head=False)
    return image, labels, folder


def exported(labels: sitk.Image, folder: Path, name: str) -> Path:
    path = folder / "results" / name
    path.parent.mkdir(exist_ok=True)
    if name.endswith(".dcm"):
        export_dicom(labels, path, dicom=folder / "ct")
    else:
        write_segmentation(labels, path)
    return path


def dices(found: Contours, labels: sitk.Image) -> list[float]:
    """Dice of both glands in the patient's space."""
    truth = sitk.GetArrayFromImage(sitk.Resample(labels, found.labels, sitk.Transform(), sitk.sitkNearestNeighbor))
    array = sitk.GetArrayFromImage(found.labels)
    return [
        2 * np.count_nonzero((array == label) & (truth == label))
        / (np.count_nonzero(array == label) + np.count_nonzero(truth == label))
        for label in (1, 2)
    ]  # fmt: skip


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("name", FORMATS)
def test_every_format_comes_in_where_it_was_drawn_on_exactly_the_voxels_of_the_scan(name, direction, tmp_path):
    image, labels, folder = made_case(tmp_path, direction)
    found = read_contours(exported(labels, folder, name), image, scan=folder / "ct")
    assert dices(found, labels) == [1.0, 1.0]
    assert found.labels.GetPixelID() == sitk.sitkUInt8
    for what in ("Size", "Spacing", "Origin", "Direction"):
        assert getattr(found.labels, f"Get{what}")() == getattr(image, f"Get{what}")()
    assert found.remarks == ()
    assert set(found.names) in (set(), {"Parotid_R", "Parotid_L"})


@pytest.mark.parametrize("order", [(1, 2, 0), (2, 0, 1), (0, 2, 1)])
@pytest.mark.parametrize("name", FORMATS[:3])
def test_a_scan_may_store_its_axes_in_any_order_and_direction(name, order, case):
    image, labels, folder = case
    stored = sitk.Flip(sitk.PermuteAxes(image, order), (True, False, True))
    found = read_contours(exported(labels, folder, name), stored, scan=folder / "ct")
    assert dices(found, labels) == [1.0, 1.0]
    assert found.labels.GetDirection() == stored.GetDirection()


def test_labels_on_finer_voxels_are_carried_over_and_that_is_said(case):
    image, labels, folder = case
    fine = sitk.Resample(
        labels,
        [56, 48, 60],
        sitk.Transform(),
        sitk.sitkNearestNeighbor,
        [-41.0, -45.625, 29.25],
        [1.0, 1.25, 1.0],
        labels.GetDirection(),
    )
    found = read_contours(exported_map(fine, folder / "fine.nii.gz"), image)
    assert min(dices(found, labels)) > 0.99
    assert [remark for remark in found.remarks if "another grid" in remark]


def test_a_carried_outline_neither_grows_nor_shrinks_nor_moves():
    grid = sitk.Image([60, 60, 60], sitk.sitkUInt8)
    grid.SetSpacing([1.5, 1.5, 2.5])
    z, y, x = np.indices((60, 60, 60))
    ball = ((x * 1.5 - 45) ** 2 + (y * 1.5 - 45) ** 2 + (z * 2.5 - 75) ** 2 < 24**2).astype(np.uint8)
    other = sitk.Image([50, 50, 80], sitk.sitkInt16)
    other.SetSpacing([1.9, 1.9, 1.9])
    other.SetOrigin([-1.3, 0.4, 2.2])
    from ParotidSegLib.geometry.lattices import carried

    mask, is_shared = carried(ball > 0, grid, other)
    assert not is_shared
    volume = mask.sum() * 1.9**3
    assert volume == pytest.approx(ball.sum() * 1.5 * 1.5 * 2.5, rel=0.01)
    middle = np.argwhere(mask).mean(axis=0)[::-1] * 1.9 + [-1.3, 0.4, 2.2]
    assert middle == pytest.approx([45, 45, 75], abs=0.2)


def exported_map(labels: sitk.Image, path: Path) -> Path:
    sitk.WriteImage(labels, str(path))
    return path


def test_a_cropped_and_turned_label_map_is_taken_voxel_by_voxel_and_what_is_cut_off_is_said(case):
    image, labels, folder = case
    inside = sitk.Flip(sitk.RegionOfInterest(labels, [26, 22, 18], [1, 1, 1]), (True, True, False))
    assert dices(read_contours(exported_map(inside, folder / "a.nrrd"), image), labels) == [1.0, 1.0]
    low = sitk.RegionOfInterest(image, [28, 24, 9], [0, 0, 0])
    found = read_contours(exported_map(labels, folder / "b.nrrd"), low)
    assert sum("outside the scan and are lost" in remark for remark in found.remarks) == 2


def test_one_gland_alone_is_taken_and_the_other_one_said_to_be_missing(case):
    image, labels, folder = case
    one = like(labels, np.where(sitk.GetArrayFromImage(labels) == 2, 2, 0).astype(np.uint8))
    for name in FORMATS:
        found = read_contours(exported(one, folder, name), image)
        assert set(np.unique(sitk.GetArrayFromImage(found.labels))) == {0, 2}
        assert [remark for remark in found.remarks if remark.startswith("Without Parotid_R")]


def test_masks_of_their_own_are_known_by_their_names(case):
    image, labels, folder = case
    (folder / "masks").mkdir()
    for name, label in (("Parotis links", 2), ("Parotid_R", 1)):
        sitk.WriteImage(labels == label, str(folder / "masks" / f"{name}.nii.gz"))
    found = read_contours(folder / "masks", image)
    assert dices(found, labels) == [1.0, 1.0]
    assert found.names == {"Parotid_R": "Parotid_R", "Parotid_L": "Parotis links"}


def test_a_folder_holds_one_file_of_contours_beside_the_scan_or_alone(case):
    image, labels, folder = case
    rtstruct = exported(labels, folder, FORMATS[0])
    shutil.copy(rtstruct, folder / "ct" / "RS.dcm")
    assert dices(read_contours(folder / "ct", image, scan=folder / "ct"), labels) == [1.0, 1.0]
    exported(labels, folder, FORMATS[1])
    said = refusal(DataError, read_contours, folder / "results", image)
    assert "2 DICOM object(s) with contours and 0 label map(s)" in said
    assert "does not exist" in refusal(DataError, read_contours, folder / "none", image)


def test_segments_are_known_by_their_codes_whatever_they_are_called(case):
    image, labels, folder = case
    path = exported(labels, folder, FORMATS[1])
    seg = pydicom.dcmread(path)
    for item in seg.SegmentSequence:
        item.SegmentLabel = "Gland"  # twice the same, told apart by the laterality alone
    seg.save_as(path)
    found = read_contours(path, image)
    assert dices(found, labels) == [1.0, 1.0]
    assert "'Gland' was taken for Parotid_R because of its code." in found.remarks
    for item in seg.SegmentSequence:
        (kind,) = item.SegmentedPropertyTypeCodeSequence
        del kind.SegmentedPropertyTypeModifierCodeSequence
    seg.save_as(path)
    assert "Several segments are named 'Gland'" in refusal(DataError, read_contours, path, image)


def test_a_code_and_a_name_that_contradict_each_other_are_refused(case):
    image, labels, folder = case
    path = exported(labels, folder, FORMATS[1])
    seg = pydicom.dcmread(path)
    seg.SegmentSequence[0].SegmentLabel = "Parotid left"
    seg.save_as(path)
    said = refusal(DataError, read_contours, path, image)
    assert "'Parotid left' is coded as Parotid_R" in said


def test_codes_of_snomed_rt_are_known(case):
    image, labels, folder = case
    path = exported(labels, folder, FORMATS[1])
    seg = pydicom.dcmread(path)
    for item, side in zip(seg.SegmentSequence, ("G-A100", "G-A101"), strict=True):
        item.SegmentLabel = f"region {side}"
        (kind,) = item.SegmentedPropertyTypeCodeSequence
        kind.CodeValue, kind.CodingSchemeDesignator = "T-61100", "SRT"
        (modifier,) = kind.SegmentedPropertyTypeModifierCodeSequence
        modifier.CodeValue, modifier.CodingSchemeDesignator = side, "SRT"
    seg.save_as(path)
    assert dices(read_contours(path, image), labels) == [1.0, 1.0]


@pytest.mark.parametrize("name", FORMATS[:2])
def test_contours_of_another_patient_are_refused_without_naming_anyone(name, case):
    image, labels, folder = case
    path = exported(labels, folder, name)
    dataset = pydicom.dcmread(path)
    dataset.PatientID = "ID-9999"
    dataset.save_as(path)
    said = refusal(DataError, read_contours, path, image, scan=folder / "ct")
    assert "another patient" in said
    assert not [number for number in ("9999", "4711") if number in said]
    dataset.PatientID = ""
    dataset.save_as(path)
    assert dices(read_contours(path, image, scan=folder / "ct"), labels) == [1.0, 1.0]


@pytest.mark.parametrize("name", FORMATS[:2])
def test_contours_on_another_frame_of_reference_are_refused(name, case):
    image, labels, folder = case
    path = exported(labels, folder, name)
    moved = pydicom.dcmread(path)
    for dataset in (moved, *moved.get("ReferencedFrameOfReferenceSequence", ())):
        dataset.FrameOfReferenceUID = "2.25.77"
        for study in dataset.get("RTReferencedStudySequence", ()):
            for series in study.RTReferencedSeriesSequence:
                series.SeriesInstanceUID = "2.25.78"
    for item in moved.get("StructureSetROISequence", ()):
        item.ReferencedFrameOfReferenceUID = "2.25.77"
    for series in moved.get("ReferencedSeriesSequence", ()):
        series.SeriesInstanceUID = "2.25.78"
    moved.save_as(path)
    assert "another frame of reference" in refusal(DataError, read_contours, path, image, scan=folder / "ct")
    assert dices(read_contours(path, image), labels) == [1.0, 1.0]  # nobody said which scan it is


def test_contours_beside_the_scan_are_refused(case):
    image, labels, folder = case
    far = sitk.Image(labels)
    far.SetOrigin([900.0, 0.0, 0.0])
    said = refusal(DataError, read_contours, exported_map(far, folder / "far.nrrd"), image)
    assert "outside the scan" in said
    above = square(image) + np.array([0.0, 0.0, 900.0])
    structure_set = write_structure_set(folder / "RS.dcm", {"Parotid_R": [above]}, frame=FRAME)
    assert "outside the scan" in refusal(DataError, read_contours, structure_set, image)


def test_empty_regions_are_refused(case):
    image, labels, folder = case
    regions = {"Parotid_R": [], "Parotid_L": [], "Body": [square(image)]}
    path = write_structure_set(folder / "RS.dcm", regions, frame=FRAME)
    said = refusal(DataError, read_contours, path, image)
    assert "Without a contour: 'Parotid_L', 'Parotid_R'; the regions with contours are 'Body'" in said
    nothing = exported_map(sitk.Image(labels.GetSize(), sitk.sitkUInt8), folder / "empty.nii.gz")
    assert "empty" in refusal(DataError, read_contours, nothing, labels)


def square(image: sitk.Image) -> np.ndarray:
    corners = [(3, 3), (20, 3), (20, 20), (3, 20)]
    return np.array([image.TransformIndexToPhysicalPoint((x, y, 5)) for x, y in corners])


def test_what_has_no_gland_among_its_names_is_refused_and_the_names_are_listed(case):
    image, labels, folder = case
    path = write_structure_set(folder / "RS.dcm", {"Mandible": [square(image)], "GTV": [square(image)]}, frame=FRAME)
    said = refusal(DataError, read_contours, path, image)
    assert "'GTV', 'Mandible'" in said
    mandible = folder / "jaw.seg.dcm"
    jaw = like(labels, (sitk.GetArrayFromImage(labels) > 0).astype(np.uint8) * np.uint8(2))
    export_dicom(jaw, mandible, dicom=folder / "ct", structures=(MANDIBLE,))
    assert "'Mandible'" in refusal(DataError, read_contours, mandible, image)


def test_objects_without_contours_are_refused_by_what_they_are(case):
    image, _, folder = case
    slice_of_ct = next((folder / "ct").iterdir())
    assert "modality is 'CT'" in refusal(DataError, read_contours, slice_of_ct, image)
    (folder / "text.dcm").write_text("no DICOM")
    assert "label map" in refusal(DataError, read_contours, folder / "text.dcm", image)


def test_layers_of_a_segmentation_of_slicer_are_read_each(case):
    image, labels, folder = case
    array = sitk.GetArrayFromImage(labels)
    wide = np.stack([array == 1, (array == 2) | (array == 1)], axis=-1).astype(np.uint8)
    layered = sitk.GetImageFromArray(wide, isVector=True)
    layered.CopyInformation(labels)
    for number, (name, layer) in enumerate((("Parotid right", "0"), ("Head", "1"))):
        layered.SetMetaData(f"Segment{number}_Name", name)
        layered.SetMetaData(f"Segment{number}_LabelValue", "1")
        layered.SetMetaData(f"Segment{number}_Layer", layer)
    sitk.WriteImage(layered, str(folder / "layers.seg.nrrd"))
    found = read_contours(folder / "layers.seg.nrrd", image)
    assert np.array_equal(sitk.GetArrayFromImage(found.labels) == 1, array == 1)
    assert found.names == {PAROTIDS[0].key: "Parotid right"}
