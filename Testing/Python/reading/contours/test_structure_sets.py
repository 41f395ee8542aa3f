"""Structure sets as files: in patient space, whatever the grid; broken regions, and files that are refused."""

from __future__ import annotations

import sys

import made_dicom
import made_training as made
import numpy as np
import pytest
import SimpleITK as sitk
from made_dicom import gland_contours, write_structure_set
from made_grids import grid, square
from made_images import write_dicom_without_pixels
from orientations import rotation
from sentences import refusal

from ParotidSegLib.errors import DataError, ParotidSegError
from ParotidSegLib.reading.contours.drawing import draw
from ParotidSegLib.reading.contours.structure_sets import read_structure_set

DIRECTIONS = {
    "as usual": made.IDENTITY,
    "feet first": (1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, -1.0),
    "prone": (-1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0),
    "sagittal": (0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0),
    "oblique": tuple(rotation(4.0, -6.0, 10.0)),
}


@pytest.mark.parametrize("name", DIRECTIONS)
def test_contours_fill_the_voxels_that_they_were_drawn_around_on_any_grid(name, tmp_path):
    image, truth = made.head_with_glands((12.0, -40.0, 70.0), DIRECTIONS[name])
    path = write_structure_set(tmp_path / "RS.dcm", gland_contours(image, (12.0, -40.0, 70.0)))
    regions = read_structure_set(path)
    assert regions.names == ["Parotid_R", "Parotid_L"]
    array = sitk.GetArrayFromImage(truth)
    for label, key in ((1, "Parotid_R"), (2, "Parotid_L")):
        mask = draw(regions.contours_of(key).closed, image).mask
        differ = int((mask != (array == label)).sum())
        # A polygon of 90 corners, written to 0.1 µm, misses voxels that an ellipse just touches.
        assert differ <= 0.01 * int((array == label).sum())


def test_the_right_gland_lies_at_smaller_x(tmp_path):
    image, _ = made.head_with_glands(direction=DIRECTIONS["feet first"])
    regions = read_structure_set(write_structure_set(tmp_path / "RS.dcm", gland_contours(image)))
    x = {}
    for key in regions.names:
        index = np.argwhere(draw(regions.contours_of(key).closed, image).mask).mean(axis=0)[::-1]
        x[key] = image.TransformContinuousIndexToPhysicalPoint(index.tolist())[0]
    assert x["Parotid_R"] == pytest.approx(-60.0, abs=1.0)
    assert x["Parotid_L"] == pytest.approx(60.0, abs=1.0)


def test_points_and_regions_without_contours_are_no_regions(tmp_path):
    image = grid()
    some = [square(image, 2.5, 8.5, 3)]
    path = write_structure_set(tmp_path / "a.dcm", {"Isocentre": [some[0][:1]], "Empty": [], " Gland ": some})
    assert read_structure_set(path).names == ["Gland"]
    assert read_structure_set(write_structure_set(tmp_path / "b.dcm", {"A": some}, kind="POINT")).names == []


@pytest.mark.parametrize("undefined", [False, True], ids=["lengths stated", "lengths open"])
def test_a_file_that_was_cut_short_is_refused_wherever_it_was_cut(undefined, tmp_path):
    path = write_structure_set(tmp_path / "a.dcm", {n: [square(grid(), 2.5, 8.5, k) for k in range(4)] for n in "AB"})
    dataset = made_dicom.pydicom.dcmread(path)
    for element in dataset.iterall():
        element.is_undefined_length = undefined and element.VR == "SQ"
    made_dicom.pydicom.dcmwrite(path, dataset)
    whole = path.read_bytes()
    assert len(read_structure_set(path).contours_of("B").closed) == 4
    for length in range(0, len(whole), 11):
        path.write_bytes(whole[:length])
        assert "structure set is" in refusal(DataError, read_structure_set, path)


def test_what_is_no_structure_set_is_refused_with_a_sentence(tmp_path):
    path = tmp_path / "a.dcm"
    path.write_bytes(b"no DICOM at all" * 20)
    assert "no DICOM file" in refusal(DataError, read_structure_set, path)
    write_dicom_without_pixels(path)
    assert "damaged or incomplete" in refusal(DataError, read_structure_set, path)
    assert "damaged" in refusal(DataError, read_structure_set, tmp_path / "missing.dcm")


def broken(path, change):
    """The structure set with the contours of its last region changed by a function of their ContourData, as bytes."""
    dataset = made_dicom.pydicom.dcmread(path)
    contour = dataset.ROIContourSequence[-1].ContourSequence[0]
    element = contour["ContourData"]
    text = "\\".join(map(str, element.value)).encode()
    contour._dict[element.tag] = made_dicom.pydicom.dataelem.RawDataElement(
        element.tag, "DS", 0, change(text), 0, False, True
    )
    made_dicom.pydicom.dcmwrite(path, dataset, enforce_file_format=True)


BREAKS = {
    "a coordinate cut off": lambda text: text.rpartition(b"\\")[0],
    "a word": lambda text: text.replace(b"\\", b"\\abc\\", 1),
    "not a number": lambda text: b"nan" + text[text.index(b"\\") :],
    "infinite": lambda text: b"1e999" + text[text.index(b"\\") :],
    "far beyond any scanner": lambda text: b"1e30" + text[text.index(b"\\") :],
    "an empty value": lambda text: text.replace(b"\\", b"\\\\", 1),
}


@pytest.mark.parametrize("how", BREAKS)
def test_one_broken_region_does_not_condemn_the_others(how, tmp_path):
    image = grid()
    one = [square(image, 2.5, 8.5, k) for k in (3, 4)]
    path = write_structure_set(tmp_path / "a.dcm", {"Gland": one, "BODY": one})
    broken(path, BREAKS[how])
    regions = read_structure_set(path)
    assert regions.names == ["Gland", "BODY"]
    assert len(regions.contours_of("Gland").closed) == 2
    assert "coordinates are damaged or incomplete" in refusal(DataError, regions.contours_of, "BODY")


def test_regions_without_name_or_number_are_passed_over(tmp_path):
    image = grid()
    path = write_structure_set(tmp_path / "a.dcm", {name: [square(image, 2.5, 8.5, 3)] for name in "ABCD"})
    dataset = made_dicom.pydicom.dcmread(path)
    del dataset.StructureSetROISequence[0].ROIName
    del dataset.StructureSetROISequence[1].ROINumber
    del dataset.ROIContourSequence[2].ReferencedROINumber
    made_dicom.pydicom.dcmwrite(path, dataset, enforce_file_format=True)
    assert read_structure_set(path).names == ["D"]


def test_points_and_open_lines_within_a_region_are_remarked(tmp_path):
    image = grid()
    path = write_structure_set(tmp_path / "a.dcm", {"A": [square(image, 2.5, 8.5, 3), square(image, 2.5, 8.5, 4)[:1]]})
    contours = read_structure_set(path).contours_of("A")
    assert len(contours.closed) == 1
    assert contours.remarks("A") == ["1 point(s) or open line(s) of 'A' enclose nothing."]


def test_a_file_nested_too_deep_is_refused_with_a_sentence(tmp_path):
    path = write_structure_set(tmp_path / "a.dcm", {"A": [square(grid(), 2.5, 8.5, 3)]})
    opened = b"\x0c\x00\x01\x01SQ\x00\x00\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    closed = b"\xfe\xff\x0d\xe0\x00\x00\x00\x00\xfe\xff\xdd\xe0\x00\x00\x00\x00"
    path.write_bytes(path.read_bytes() + opened.replace(b"\x0c\x00", b"\xff\x30", 1) * 3000 + closed * 3000)
    assert "damaged or incomplete" in refusal(DataError, read_structure_set, path)


def test_without_pydicom_it_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "pydicom", None)
    said = refusal(ParotidSegError, read_structure_set, tmp_path / "a.dcm")
    assert "pip install 'pydicom>=3.0.1,<4'" in said


def test_the_made_file_is_what_it_claims(tmp_path):
    path = write_structure_set(tmp_path / "a.dcm", {"A": []}, series="2.25.3", frame="2.25.4")
    dataset = made_dicom.pydicom.dcmread(path)
    assert dataset.Modality == "RTSTRUCT"
    assert dataset.PatientID == made_dicom.IDENTIFIER
