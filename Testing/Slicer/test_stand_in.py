"""The stand-in for the application: real MRML underneath, and what it does not know fails."""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from made_images import like, made_head, values
from orientations import rotation
from packaging.markers import Marker
from stand_in_launcher import write_launcher

PINS = Path(__file__).with_name("slicers_own_packages.txt")


def test_volumes_and_label_maps_go_through_files_as_in_the_application(slicer_app, add_volume, tmp_path):
    head = made_head()
    head.SetDirection(rotation(10, 20, 30))
    sitk.WriteImage(head, str(tmp_path / "head.nrrd"))
    node = slicer_app.util.loadVolume(tmp_path / "head.nrrd", {"name": "Head"})
    assert node is slicer_app.util.getNode("Head")
    np.testing.assert_array_equal(slicer_app.util.arrayFromVolume(node), values(head))
    assert slicer_app.util.saveNode(node, str(tmp_path / "again.nrrd"))
    again = sitk.ReadImage(str(tmp_path / "again.nrrd"))
    np.testing.assert_array_equal(values(again), values(head))
    np.testing.assert_allclose(again.GetDirection(), head.GetDirection(), atol=1e-9)
    np.testing.assert_allclose(again.GetOrigin(), head.GetOrigin(), atol=1e-6)


def test_a_volume_made_from_an_image_lies_where_the_file_of_the_image_does(slicer_app, add_volume, tmp_path):
    head = made_head()
    head.SetDirection(rotation(-5, 40, 15))
    sitk.WriteImage(head, str(tmp_path / "head.nrrd"))
    loaded, made = slicer_app.util.loadVolume(tmp_path / "head.nrrd"), add_volume(head)
    bounds = np.zeros((2, 6))
    loaded.GetRASBounds(bounds[0])
    made.GetRASBounds(bounds[1])
    np.testing.assert_allclose(bounds[0], bounds[1], atol=1e-4)


def test_segmentations_load_and_keep_their_segments(slicer_app, tmp_path):
    from ParotidSegLib.writing.export import write_segmentation

    head = made_head()
    labels = np.zeros(values(head).shape, np.uint8)
    labels[5:10, 10:20, 5:12], labels[5:10, 10:20, 25:32] = 1, 2
    write_segmentation(like(head, labels), tmp_path / "glands.seg.nrrd")
    node = slicer_app.util.loadSegmentation(tmp_path / "glands.seg.nrrd")
    assert node.GetSegmentation().GetSegmentIDs() == ("Parotid_R", "Parotid_L")
    volume = slicer_app.util.addVolumeFromArray(labels)
    volume.SetSpacing(head.GetSpacing())
    assert slicer_app.util.arrayFromSegmentInternalBinaryLabelmap(node, "Parotid_L").max() == 2


def test_a_scene_is_saved_and_loaded_with_its_data(slicer_app, add_volume, tmp_path):
    head = made_head()
    add_volume(head, "Head")
    assert slicer_app.util.saveScene(str(tmp_path / "scene.mrb"))
    slicer_app.mrmlScene.Clear(True)
    slicer_app.util.loadScene(str(tmp_path / "scene.mrb"))
    np.testing.assert_array_equal(slicer_app.util.array("Head"), values(head))


def test_what_the_stand_in_does_not_know_fails(slicer_app, tmp_path):
    with pytest.raises(AttributeError):
        slicer_app.app.quitt()
    with pytest.raises(AttributeError):
        slicer_app.modules.segmentatoins.logic()
    with pytest.raises(ValueError, match="no signal"):
        slicer_app.app.connect("startUpCompleted()", print)
    with pytest.raises(KeyError, match="unknown loading options"):
        slicer_app.util.loadVolume(tmp_path / "a.nrrd", {"lablemap": True})
    with pytest.raises(slicer_app.util.MRMLNodeNotFoundException):
        slicer_app.util.getNode("Head")


def test_errors_of_mrml_are_noticed(started_slicer):
    from application.start import VtkErrors

    errors = VtkErrors()
    started_slicer.vtkMRMLSegmentationNode().SetReferenceImageGeometryParameterFromVolumeNode(None)
    started_slicer.mrmlScene.AddNewNodeByClass("vtkMRMLNoSuchNode")
    errors.stop()
    assert errors.texts


def test_the_tests_run_with_the_packages_that_slicer_brings():
    """Slicer's own versions, and the wheel of the release that users have."""
    pins = re.findall(r"^(\w+)==([\w.]+)(?:; *([^#\n]+))?", PINS.read_text(encoding="utf-8"), re.MULTILINE)
    wanted = {name: version for name, version, marker in pins if not marker or Marker(marker.strip()).evaluate()}
    assert {"pydicom", "highdicom", "requests"} <= set(wanted)
    wanted["slicer-core"] = "5.12.4.0"
    assert {name: importlib.metadata.version(name) for name in wanted} == wanted


def test_the_launcher_puts_its_folders_first_and_swallows_the_signal_that_ends_its_python(slicer_app, tmp_path):
    (tmp_path / "theirs").mkdir()
    (tmp_path / "ours").mkdir()
    for owner in ("theirs", "ours"):
        (tmp_path / owner / "whose.py").write_text(f"print({owner!r})")
    launcher = write_launcher(tmp_path / "PythonSlicer", folders=[tmp_path / "theirs"])

    def run(code: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": str(tmp_path / "ours")}
        return subprocess.run([launcher, "-c", code], capture_output=True, text=True, env=environment, check=False)

    assert run("import whose").stdout == "theirs\n"
    assert run("raise SystemExit(7)").returncode == 7
    killed = run("import os; os.kill(os.getpid(), 9)")
    assert killed.returncode == 1
    assert "exit abnormally" in killed.stderr
