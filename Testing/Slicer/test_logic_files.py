"""Contours, surfaces and the review as files, through the logic."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "Shared"))
from made_dicom_results import made_scan
from made_logic import erase_half, volume_of

from ParotidSegLib.errors import OutputError
from ParotidSegLib.structures import LEFT_PAROTID, PAROTIDS, RIGHT_PAROTID


@pytest.mark.parametrize("suffix", [".nii.gz", ".seg.nrrd"])
def test_label_maps_hold_the_contours_as_they_are_now(logic, slicer_app, drawn, tmp_path, suffix):
    ct = volume_of(drawn)
    wanted = sitk.GetArrayFromImage(made_scan("oblique")[1])
    (file,) = logic.export(drawn, ct, tmp_path / "Ordner ü", suffix=suffix)
    assert file == tmp_path / "Ordner ü" / f"parotids{suffix}"
    assert np.array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(file))), wanted)
    erase_half(slicer_app, drawn, LEFT_PAROTID.key)
    logic.export(drawn, ct, tmp_path / "Ordner ü", suffix=suffix)
    found = sitk.GetArrayFromImage(sitk.ReadImage(str(file)))
    assert 0 < (found == LEFT_PAROTID.label).sum() < (wanted == LEFT_PAROTID.label).sum()


@pytest.mark.usefixtures("turned")
def test_surfaces_lie_where_the_scene_shows_them_in_lps(logic, slicer_app, drawn, tmp_path):
    import vtk

    files = logic.export(drawn, volume_of(drawn), tmp_path, suffix=".stl")
    assert [file.name for file in files] == ["parotids_Parotid_R.stl", "parotids_Parotid_L.stl"]
    closed = slicer_app.vtkSegmentationConverter.GetSegmentationClosedSurfaceRepresentationName()
    assert not drawn.GetSegmentation().ContainsRepresentation(closed), "the node is left as it was"
    for file, structure in zip(files, PAROTIDS, strict=True):
        reader = vtk.vtkSTLReader()
        reader.SetFileName(str(file))
        reader.Update()
        bounds = np.reshape(reader.GetOutput().GetBounds(), (3, 2))
        middle = np.array(drawn.GetSegmentCenterRAS(structure.key)) * (-1, -1, 1)
        assert np.allclose(bounds.mean(axis=1), middle, atol=3.0)
        assert np.all(np.diff(bounds) > 15.0)


def test_an_empty_gland_has_no_surface_and_two_are_a_sentence(logic, slicer_app, ct, drawn, tmp_path):
    drawn.GetSegmentation().ClearSegment(RIGHT_PAROTID.key)
    assert [file.name for file in logic.export(drawn, ct, tmp_path, suffix=".stl")] == ["parotids_Parotid_L.stl"]
    drawn.GetSegmentation().ClearSegment(LEFT_PAROTID.key)
    with pytest.raises(OutputError, match="no contour"):
        logic.export(drawn, ct, tmp_path / "none", suffix=".stl")


def test_the_review_is_a_table_of_what_is_and_what_was(logic, slicer_app, ct, drawn, tmp_path):
    drawn.GetSegmentation().ClearSegment(LEFT_PAROTID.key)
    (file,) = logic.export(drawn, ct, tmp_path, suffix=".csv")
    with file.open(encoding="utf-8-sig", newline="") as text:
        right, left, both = csv.DictReader(text)
    assert float(right["volume_ml"]) > 1.0
    assert (right["automatic_volume_ml"], right["automatic_mean_hu"]) == ("6.50", "40.0")
    assert "confidence" not in right  # a mean probability told good contours from bad ones no better than chance would
    assert (left["volume_ml"], left["mean_hu"], left["automatic_volume_ml"]) == ("0.00", "", "")
    assert left["contour_remarks"] == "warning: Look, here."
    assert (both["structure"], both["contour_remarks"]) == ("", "error: Both are odd.")
    assert right["model"] == "parotid-ct 0.1.0"


def test_an_unknown_format_is_a_sentence(logic, ct, drawn, tmp_path):
    with pytest.raises(OutputError, match="another format"):
        logic.export(drawn, ct, tmp_path, suffix=".obj")
