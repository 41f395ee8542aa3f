"""The logic of the module on the real scene: the real worker, workers that misbehave, edits, and files."""

from __future__ import annotations

import csv
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "Python"))
from fake_workers import SLEEP, worker
from made_dicom_results import expected, filled_contours, made_scan, write_ct

from ParotidSegLib.engines import installed_engines
from ParotidSegLib.errors import BundleError, ImageError, OutputError, WorkerError
from ParotidSegLib.export import write_segmentation
from ParotidSegLib.in_slicer import engine_packages
from ParotidSegLib.structures import LEFT_PAROTID, PAROTIDS, RIGHT_PAROTID

REPORT = {
    "structures": {"Parotid_R": {"volume_ml": 6.5, "mean_hu": 40.0, "centroid": [0, 0, 0], "confidence": 0.91}},
    "findings": [
        {"code": "a", "severity": "warning", "message": "Look, here.", "structure": "Parotid_L", "point": None},
        {"code": "b", "severity": "error", "message": "Both are odd.", "structure": None, "point": None},
    ],
    "timings_s": {"load": 1.0},
    "provenance": {"bundle": {"name": "parotid-ct", "version": "0.1.0"}, "engine": "openvino"},
}


@pytest.fixture
def temporary(tmp_path, monkeypatch) -> Path:
    """The folder for temporary files, empty again after the test."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def logic(slicer_app: Any, temporary: Path) -> Iterator[Any]:
    """The logic of the module; nothing that it ran may leave a file."""
    from ParotidSegLib.in_slicer.logic import ParotidSegLogic

    yield ParotidSegLogic()
    assert [path.name for path in temporary.iterdir()] == []


@pytest.fixture
def ct(add_volume: Callable[..., Any]) -> Any:
    """A small CT in the scene."""
    return add_volume(made_scan("oblique")[0])


@pytest.fixture
def made_worker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
    """made_worker(script): what takes the place of the worker; {labels} in the script is a file with both glands."""
    labels = write_segmentation(made_scan("oblique")[1], tmp_path / "made.seg.nrrd")

    def place(script: str, file: Path = labels) -> None:
        text = f"LABELS = {str(file)!r}\nREPORT = json.loads({json.dumps(REPORT)!r})\n{script}"
        monkeypatch.setattr("ParotidSegLib.in_slicer.run.segment_command", lambda *_, **__: worker(text))

    return place


GOOD = "say('segment', 0.5)\nsay('result', 1.0, files=[LABELS], report=REPORT)\n"


@pytest.fixture
def drawn(logic: Any, ct: Any, made_worker: Callable[..., None]) -> Any:
    """A segmentation node in which the made worker has drawn."""
    made_worker(GOOD)
    return logic.segment(ct)


def run_timers_until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    import qt

    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        qt.QApplication.processEvents()
        time.sleep(0.005)


def volume_of(node: Any) -> Any:
    """The CT of a segmentation."""
    from ParotidSegLib.in_slicer.logic import volume_of

    return volume_of(node)


# --- segmenting ------------------------------------------------------------------------------------------------------


@pytest.mark.engine
@pytest.mark.skipif(not installed_engines(), reason="no engine is installed")
def test_the_real_worker_draws_the_sample_into_the_scene(logic, slicer_app, add_volume, sample_ct):
    from ParotidSegLib.in_slicer.results import report_of

    volume = add_volume(sitk.ReadImage(str(sample_ct)), "Sample")
    node = logic.segment(volume)
    assert slicer_app.mrmlScene.IsNodePresent(node)
    right, left = (np.array(node.GetSegmentCenterRAS(structure.key)) for structure in PAROTIDS)
    assert 80.0 < right[0] - left[0] < 160.0, "the patient's right lies at larger R"
    report = report_of(node)
    assert report["structures"][RIGHT_PAROTID.key]["volume_ml"] > 5.0
    assert report["provenance"]["bundle"]["name"] == "parotid-ct"
    assert logic.differences(node) == {structure.key: (0.0, 0.0) for structure in PAROTIDS}


def test_a_chosen_segmentation_keeps_its_other_segments_and_can_be_undone(logic, slicer_app, ct, made_worker):
    node = slicer_app.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Mine")
    node.GetSegmentation().AddEmptySegment("tumour", "Tumour")
    made_worker(GOOD)
    assert not logic.canUndo(node)
    assert logic.segment(ct, node) is node
    ids = list(node.GetSegmentation().GetSegmentIDs())
    assert ids == ["tumour", RIGHT_PAROTID.key, LEFT_PAROTID.key]
    assert logic.canUndo(node)
    assert logic.undo(node)
    assert list(node.GetSegmentation().GetSegmentIDs()) == ["tumour"]


def test_with_a_callback_the_call_returns_at_once(logic, slicer_app, ct, made_worker):
    made_worker("time.sleep(0.3)\n" + GOOD)
    told: list[tuple[Any, Any]] = []
    started = time.monotonic()
    run = logic.segment(ct, callback=lambda node, why: told.append((node, why)))
    assert time.monotonic() - started < 2.0
    assert not run.finished
    run_timers_until(lambda: told)
    ((node, why),) = told
    assert why is None
    assert slicer_app.mrmlScene.IsNodePresent(node)


def test_a_callback_gets_the_sentence_of_a_failure_and_of_a_cancel(logic, ct, made_worker):
    told: list[tuple[Any, Any]] = []
    made_worker("say('error', message='The scan is no CT.')\nsys.exit(1)")
    logic.segment(ct, callback=lambda *news: told.append(news))
    run_timers_until(lambda: told)
    made_worker(SLEEP)
    logic.segment(ct, callback=lambda *news: told.append(news)).cancel()
    run_timers_until(lambda: len(told) == 2)
    assert told == [(None, "The scan is no CT."), (None, "The work was cancelled.")]


@pytest.mark.parametrize(
    "case",
    [
        ("say('error', message='The scan is no CT.')\nsys.exit(1)", "The scan is no CT."),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "crashed"),
        ("print('garbage')", "without a result"),
        ("say('result', files=['/nowhere.seg.nrrd'])", "missing from the disk"),
        ("say('result', files=[])", "could not be put into the scene"),
    ],
)
def test_a_worker_that_fails_is_one_sentence_and_the_scene_stays_as_it_was(logic, slicer_app, ct, made_worker, case):
    script, words = case
    made_worker(script)
    before = slicer_app.mrmlScene.GetNumberOfNodes()
    with pytest.raises(WorkerError, match=words):
        logic.segment(ct)
    assert slicer_app.mrmlScene.GetNumberOfNodes() == before


def test_a_volume_that_was_moved_meanwhile_is_told(logic, ct, made_worker, tmp_path):
    elsewhere = made_scan("axial")[1]
    elsewhere.SetOrigin((5.0, 5.0, 5.0))
    made_worker(GOOD, write_segmentation(elsewhere, tmp_path / "elsewhere.seg.nrrd"))
    with pytest.raises(WorkerError, match="moved or changed"):
        logic.segment(ct)


def test_contours_that_do_not_fit_leave_no_empty_segmentation(logic, slicer_app, ct, made_worker, tmp_path):
    elsewhere = made_scan("axial")[1]
    elsewhere.SetOrigin((5.0, 5.0, 5.0))
    made_worker(GOOD, write_segmentation(elsewhere, tmp_path / "elsewhere.seg.nrrd"))
    mine = slicer_app.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Mine")
    for chosen in (None, mine):
        with pytest.raises(WorkerError):
            logic.segment(ct, chosen)
    assert slicer_app.util.getNodesByClass("vtkMRMLSegmentationNode") == [mine]


@pytest.mark.parametrize("what", ["the scene", "the volume"])
def test_a_result_for_a_volume_that_is_gone_is_dropped_quietly(logic, slicer_app, ct, made_worker, what):
    made_worker(GOOD)
    told: list[tuple[Any, Any]] = []
    run = logic.segment(ct, callback=lambda *news: told.append(news))
    assert run.job.wait(20)
    if what == "the scene":
        slicer_app.mrmlScene.Clear(True)
    else:
        slicer_app.mrmlScene.RemoveNode(ct)
    run_timers_until(lambda: told)
    assert told == [(None, None)]
    assert slicer_app.mrmlScene.GetFirstNodeByClass("vtkMRMLSegmentationNode") is None


def test_a_segmentation_that_is_gone_is_replaced_by_a_new_one(logic, slicer_app, ct, made_worker):
    node = slicer_app.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Mine")
    made_worker(GOOD)
    told: list[tuple[Any, Any]] = []
    logic.segment(ct, node, callback=lambda *news: told.append(news))
    slicer_app.mrmlScene.RemoveNode(node)
    run_timers_until(lambda: told)
    assert told[0][0].GetName() == "CT parotids"


def test_the_worker_gets_the_choices_and_the_folders_of_the_engines(logic, ct, monkeypatch, tmp_path, tiny_bundle):
    from ParotidSegLib.in_slicer.job import segment_command

    commands: list[list[str]] = []

    def command(*arguments: Any, **options: Any) -> list[str]:
        commands.append(segment_command(*arguments, **options))
        return worker("print(os.environ['PYTHONPATH'])")

    monkeypatch.setenv(engine_packages.ROOT_VARIABLE, str(tmp_path / "packages"))
    (engine_packages.folder_of("keras") / "keras").mkdir(parents=True)
    monkeypatch.setattr("ParotidSegLib.in_slicer.run.segment_command", command)
    run = logic.start(ct, bundle=tiny_bundle, engine="keras", device="cpu", mirror=False)
    try:
        assert run.job.wait(20)
        (given,) = commands
        assert Path(given[0]).name == "PythonSlicer"
        assert given[given.index("--bundle") + 1] == str(tiny_bundle)
        assert given[given.index("--engine") + 1] == "keras"
        assert given[given.index("--device") + 1] == "cpu"
        assert "--no-mirror" in given
        assert str(engine_packages.folder_of("keras")) in str(run.job._log)
    finally:
        run.close()


def test_what_cannot_be_segmented_is_refused_before_anything_starts(logic, slicer_app, ct, tmp_path, tiny_bundle):
    with pytest.raises(ImageError, match="holds no image"):
        logic.start(slicer_app.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Empty"))
    with pytest.raises(BundleError, match="There is no bundle"):
        logic.start(ct, bundle="nowhere")
    changed = tmp_path / "changed"
    shutil.copytree(tiny_bundle, changed)
    (changed / "MODEL_CARD.md").write_text("# Tinx\n", encoding="utf-8")
    with pytest.raises(BundleError, match="SHA-256 differs"):
        logic.segment(ct, bundle=changed)


def test_without_an_engine_segment_says_how_to_install_one(logic, ct, monkeypatch):
    monkeypatch.setattr("ParotidSegLib.in_slicer.preparation.missing", lambda name: ["openvino"])
    with pytest.raises(WorkerError, match=r"install\(\"openvino\"\)"):
        logic.segment(ct)
    assert logic.lackingPlan("auto").packages.name == "openvino"
    assert logic.lackingPlan("keras", wheels="/wheels").wheels == Path("/wheels").absolute()


# --- after a run -----------------------------------------------------------------------------------------------------


def erase_half(slicer: Any, node: Any, key: str) -> None:
    """A person takes away the lower half of a gland."""
    array = slicer.util.arrayFromSegmentInternalBinaryLabelmap(node, key)
    segment = node.GetSegmentation().GetSegment(key)
    lower = array[: array.shape[0] // 2]
    lower[lower == segment.GetLabelValue()] = 0
    segment.Modified()


def test_edits_are_measured_and_one_gland_can_be_reset(logic, slicer_app, drawn):
    erase_half(slicer_app, drawn, RIGHT_PAROTID.key)
    erase_half(slicer_app, drawn, LEFT_PAROTID.key)
    changes = logic.differences(drawn)
    assert all(added == 0.0 and removed > 0.5 for added, removed in changes.values())
    logic.resetGland(drawn, RIGHT_PAROTID.key)
    after = logic.differences(drawn)
    assert after[RIGHT_PAROTID.key] == (0.0, 0.0)
    assert after[LEFT_PAROTID.key] == changes[LEFT_PAROTID.key]


def test_what_no_model_drew_has_no_differences(logic, slicer_app, ct):
    node = slicer_app.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Mine")
    assert logic.differences(node) == {}
    with pytest.raises(ImageError, match="load it first"):
        logic.resetGland(node, RIGHT_PAROTID.key)


def test_the_structures_of_a_model_that_has_gone_are_the_glands(logic, drawn):
    from ParotidSegLib.in_slicer.run import BUNDLE

    assert drawn.GetAttribute(BUNDLE) == "parotid-ct"
    drawn.SetAttribute(BUNDLE, "/nowhere/bundle.zip")
    assert logic.structures(drawn) == PAROTIDS


# --- files -----------------------------------------------------------------------------------------------------------


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


@pytest.fixture
def turned(ct: Any, drawn: Any, add_transform: Callable[..., Any]) -> None:
    """The CT and its contours are turned and moved in the scene."""
    matrix = np.array([[0, -1, 0, 100], [1, 0, 0, 20], [0, 0, 1, -30], [0, 0, 0, 1]], float)
    transform = add_transform(matrix)
    for node in (ct, drawn):
        node.SetAndObserveTransformNodeID(transform.GetID())


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
    assert (right["automatic_volume_ml"], right["confidence"]) == ("6.50", "0.910")
    assert (left["volume_ml"], left["mean_hu"], left["automatic_volume_ml"]) == ("0.00", "", "")
    assert left["findings"] == "warning: Look, here."
    assert (both["structure"], both["findings"]) == ("", "error: Both are odd.")
    assert right["model"] == "parotid-ct 0.1.0"


def test_an_unknown_format_is_a_sentence(logic, ct, drawn, tmp_path):
    with pytest.raises(OutputError, match="another format"):
        logic.export(drawn, ct, tmp_path, suffix=".obj")


@pytest.fixture
def from_database(slicer_app: Any, ct: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The CT comes from Slicer's DICOM database; its files lie in a folder with those of another series."""
    folder = tmp_path / "database"
    files = write_ct(folder, made_scan("oblique")[0])
    by_instance = {pydicom.dcmread(file, stop_before_pixels=True).SOPInstanceUID: str(file) for file in files}
    other = pydicom.dcmread(files[0])
    other.SeriesInstanceUID, other.SOPInstanceUID = "2.25.77", "2.25.77.1"
    other.save_as(folder / "other.dcm")
    ct.SetAttribute("DICOM.instanceUIDs", " ".join(by_instance))
    database = SimpleNamespace(isOpen=True, fileForInstance=lambda uid: by_instance.get(uid, ""))
    monkeypatch.setattr(slicer_app, "dicomDatabase", database, raising=False)
    return folder


@pytest.mark.usefixtures("turned")  # what the scene does to a volume is not what its DICOM files say
@pytest.mark.parametrize("suffix", [".rtstruct.dcm", ".seg.dcm"])
def test_dicom_refers_to_the_files_of_the_database_and_left_is_left(logic, drawn, from_database, tmp_path, suffix):
    ct = volume_of(drawn)
    assert logic.dicomFolder(ct) == from_database
    (file,) = logic.export(drawn, ct, tmp_path / "out", suffix=suffix, dicom_folder=logic.dicomFolder(ct))
    dataset = pydicom.dcmread(file)
    if suffix == ".seg.dcm":
        assert dataset.Modality == "SEG"
        assert [segment.SegmentLabel for segment in dataset.SegmentSequence] == [s.name for s in PAROTIDS]
        return
    labels = made_scan("oblique")[1]
    (from_database / "other.dcm").unlink()
    for structure in PAROTIDS:
        found = filled_contours(dataset, structure.key, from_database)
        masks = {uid: m for uid, m in expected(labels, structure.label, from_database).items() if m.any()}
        assert masks
        assert all(np.array_equal(found[uid], mask) for uid, mask in masks.items())
    assert {item.ROIGenerationAlgorithm for item in dataset.StructureSetROISequence} == {"AUTOMATIC"}


@pytest.mark.usefixtures("from_database")
def test_dicom_of_edited_contours_says_so(logic, slicer_app, drawn, tmp_path):
    erase_half(slicer_app, drawn, RIGHT_PAROTID.key)
    (file,) = logic.export(drawn, volume_of(drawn), tmp_path / "out", suffix=".rtstruct.dcm")
    dataset = pydicom.dcmread(file)
    assert {item.ROIGenerationAlgorithm for item in dataset.StructureSetROISequence} == {"SEMIAUTOMATIC"}


def test_dicom_without_the_files_of_the_ct_says_why_and_a_folder_helps(logic, ct, drawn, tmp_path):
    assert logic.dicomFolder(ct) is None
    with pytest.raises(OutputError, match="not loaded from Slicer's DICOM database"):
        logic.export(drawn, ct, tmp_path, suffix=".rtstruct.dcm")
    write_ct(tmp_path / "ct", made_scan("oblique")[0])
    (file,) = logic.export(drawn, ct, tmp_path, suffix=".rtstruct.dcm", dicom_folder=tmp_path / "ct")
    assert pydicom.dcmread(file).Modality == "RTSTRUCT"


def test_dicom_of_another_ct_is_refused_with_the_librarys_sentence(logic, ct, drawn, tmp_path):
    write_ct(tmp_path / "ct", made_scan("axial")[0])
    with pytest.raises(OutputError) as caught:
        logic.export(drawn, ct, tmp_path, suffix=".seg.dcm", dicom_folder=tmp_path / "ct")
    assert "\n" not in str(caught.value)
    assert "exit code" not in str(caught.value)
    assert not (tmp_path / "parotids.seg.dcm").exists()


def test_dicom_without_its_packages_says_what_to_install(logic, ct, drawn, monkeypatch, tmp_path):
    monkeypatch.setattr("ParotidSegLib.in_slicer.dicom_job.missing", lambda name: ["pydicom"])
    monkeypatch.setattr("ParotidSegLib.in_slicer.logic.missing", lambda name: ["pydicom"])
    with pytest.raises(OutputError, match="install highdicom"):
        logic.export(drawn, ct, tmp_path, suffix=".seg.dcm", dicom_folder=tmp_path)
    assert logic.lackingDicomPlan().packages.name == "dicom"


# --- saving ----------------------------------------------------------------------------------------------------------


def test_report_and_automatic_contours_survive_saving_the_scene(logic, slicer_app, drawn, tmp_path):
    from ParotidSegLib.in_slicer.results import report_of

    erase_half(slicer_app, drawn, RIGHT_PAROTID.key)
    changes = logic.differences(drawn)
    path = tmp_path / "scene.mrb"
    assert slicer_app.util.saveScene(str(path))
    slicer_app.mrmlScene.Clear(True)
    slicer_app.util.loadScene(str(path))
    node = slicer_app.mrmlScene.GetFirstNodeByClass("vtkMRMLSegmentationNode")
    assert report_of(node) == REPORT
    assert changes[RIGHT_PAROTID.key][1] > 0.5
    for key, change in logic.differences(node).items():
        assert change == pytest.approx(changes[key])


# --- where the model was unsure --------------------------------------------------------------------------------------


@pytest.fixture
def unsure(tmp_path: Path) -> Path:
    """Percent that rise along the columns of the made scan, as the worker writes them."""
    scan, _ = made_scan("oblique")
    columns, rows, slices = scan.GetSize()
    ramp = np.broadcast_to(np.linspace(0, 100, columns).round().astype(np.uint8), (slices, rows, columns))
    image = sitk.GetImageFromArray(np.ascontiguousarray(ramp))
    image.CopyInformation(scan)
    path = tmp_path / "parotids.uncertainty.nrrd"
    sitk.WriteImage(image, str(path))
    return path


def test_the_uncertainty_lies_on_the_voxels_of_the_ct_and_is_replaced_by_the_next_run(
    logic, slicer_app, ct, made_worker, unsure
):
    from ParotidSegLib.in_slicer.uncertainty import ROLE
    from ParotidSegLib.in_slicer.voxels import index_to_ras

    made_worker(f"say('result', 1.0, files=[LABELS, {str(unsure)!r}], report=REPORT)\n")
    node = logic.segment(ct, uncertainty=True)
    volume = node.GetNodeReference(ROLE)
    assert volume.GetImageData().GetDimensions() == ct.GetImageData().GetDimensions()
    np.testing.assert_allclose(index_to_ras(volume, world=True), index_to_ras(ct, world=True), atol=1e-6)
    shown = slicer_app.util.arrayFromVolume(volume)
    np.testing.assert_array_equal(shown, sitk.GetArrayFromImage(sitk.ReadImage(str(unsure))))
    display = volume.GetDisplayNode()
    assert (display.GetLowerThreshold(), bool(display.GetApplyThreshold())) == (1, True)
    assert logic.segment(ct, node, uncertainty=True) is node
    assert node.GetNodeReference(ROLE) is volume
    assert slicer_app.mrmlScene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 2


def test_the_worker_is_asked_for_the_uncertainty_only_if_it_is_wanted(logic, ct, monkeypatch):
    given: list[Any] = []

    def command(*_: Any, extra: Any, **__: Any) -> list[str]:
        given.append(extra)
        return worker("")

    monkeypatch.setattr("ParotidSegLib.in_slicer.run.segment_command", command)
    for wanted in (False, True):
        run = logic.start(ct, uncertainty=wanted)
        run.job.wait(20)
        run.close()
    assert ["--uncertainty" in extra for extra in given] == [False, True]
