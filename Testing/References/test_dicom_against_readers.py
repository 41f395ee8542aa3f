"""DICOM results as other programs read them (plastimatch, DicomRTTool, dcmqi) and judge them (dicom3tools)."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from made_dicom_results import made_scan, write_ct

from ParotidSegLib.structures import PAROTIDS, Structure
from ParotidSegLib.writing.dicom_export import export_dicom


@dataclass(frozen=True)
class Case:
    """A CT, labels on it, and the DICOM results that were written of them."""

    ct: Path
    labels: sitk.Image
    rtstruct: Path
    seg: Path


def export(ct: Path, labels: sitk.Image, folder: Path) -> Case:
    case = Case(ct, labels, folder / "glands.rtstruct.dcm", folder / "glands.seg.dcm")
    for path in (case.rtstruct, case.seg):
        export_dicom(labels, path, dicom=ct)
    return case


def made_case(direction: str, folder: Path) -> Case:
    scan, labels = made_scan(direction)
    write_ct(folder / "ct", scan, {"0028|1050": "40", "0028|1051": "400", "0018|0050": "3", "0018|0060": "120"})
    return export(folder / "ct", labels, folder)


@pytest.fixture(scope="module")
def axial(tmp_path_factory) -> Case:
    """Made glands, the right one with a hole, on an axial series."""
    return made_case("axial", tmp_path_factory.mktemp("axial"))


@pytest.fixture(scope="module")
def oblique(tmp_path_factory) -> Case:
    """The same on a series that is turned about all axes."""
    return made_case("oblique", tmp_path_factory.mktemp("oblique"))


@pytest.fixture(scope="module")
def clinical(tmp_path_factory, data_root) -> Case:
    """Our own contours of a clinical CT."""
    from ParotidSegLib import read_image, segment

    ct = data_root / "clinical_ct" / "head_neck_1"
    return export(ct, segment(read_image(ct), mirror=False).labels, tmp_path_factory.mktemp("clinical"))


CASES = ["axial", "oblique", pytest.param("clinical", marks=[pytest.mark.data, pytest.mark.engine])]


@pytest.fixture
def case(request) -> Case:
    return request.getfixturevalue(request.param)


def run(name: str, *arguments: object, where_from: str, codes: Sequence[int] = (0,)) -> str:
    """What a program prints, which must end with one of the codes; skips if it is not beside Python or on the path."""
    beside = shutil.which(name, path=str(Path(sys.executable).parent))
    program = beside or shutil.which(name)
    if program is None:
        pytest.skip(f"{name} is not installed ({where_from})")
    finished = subprocess.run(
        [program, *map(str, arguments)], check=False, capture_output=True, text=True, errors="replace"
    )
    assert finished.returncode in codes, finished.stdout + finished.stderr
    return finished.stdout + finished.stderr


def assert_same(found: sitk.Image, labels: sitk.Image, structure: Structure) -> None:
    """What was read agrees with the label, in the patient's space, and lies on the patient's side."""
    on_grid = sitk.Resample(sitk.Cast(found != 0, sitk.sitkUInt8), labels, sitk.Transform(), sitk.sitkNearestNeighbor)
    theirs, ours = sitk.GetArrayFromImage(on_grid) != 0, sitk.GetArrayFromImage(labels) == structure.label
    assert ours.any()
    dice = 2 * np.count_nonzero(theirs & ours) / (np.count_nonzero(theirs) + np.count_nonzero(ours))
    assert dice >= 0.999, f"Dice {dice:.4f}"
    sides = sitk.LabelShapeStatisticsImageFilter()
    sides.Execute(labels)
    here = sitk.LabelShapeStatisticsImageFilter()
    here.Execute(sitk.Cast(found != 0, sitk.sitkUInt8))
    other = next(s for s in PAROTIDS if s is not structure)
    is_left = here.GetCentroid(1)[0] > sides.GetCentroid(other.label)[0]
    assert is_left == (structure.side == "left")


@pytest.mark.parametrize("case", CASES, indirect=True)
def test_plastimatch_fills_the_contours_to_our_masks(case, tmp_path):
    sitk.WriteImage(sitk.Cast(case.labels, sitk.sitkInt16), str(tmp_path / "grid.nrrd"))
    arguments = ["--referenced-ct", case.ct, "--fixed", tmp_path / "grid.nrrd", "--prefix-format", "nrrd"]
    run(
        "plastimatch",
        "convert",
        *("--input", case.rtstruct, "--output-prefix", tmp_path / "masks", *arguments),
        where_from="pip install plastimatch",
    )
    for structure in PAROTIDS:
        assert_same(sitk.ReadImage(str(tmp_path / "masks" / f"{structure.key}.nrrd")), case.labels, structure)


READ_WITH_DICOMRTTOOL = """
import sys
import SimpleITK as sitk
from DicomRTTool.ReaderWriter import DicomReaderWriter

folder, target, *names = sys.argv[1:]
reader = DicomReaderWriter(arg_max=False, verbose=False)
reader.walk_through_folders(folder, thread_count=1)
reader.set_contour_names_and_associations(contour_names=[name.lower() for name in names])
reader.get_images_and_mask()
for number, name in enumerate(names, start=1):
    mask = sitk.GetImageFromArray((reader.mask[..., number] > 0).astype("uint8"))
    mask.CopyInformation(reader.dicom_handle)
    sitk.WriteImage(mask, f"{target}/{name}.nrrd")
"""


@pytest.mark.parametrize("case", [CASES[0], CASES[2]], indirect=True)
def test_dicomrttool_fills_the_contours_to_our_masks(case, tmp_path):
    pytest.importorskip("DicomRTTool", reason="DicomRTTool is not installed (pip install dicomrttool)")
    (tmp_path / "all").mkdir()
    for path in (*case.ct.iterdir(), case.rtstruct):
        (tmp_path / "all" / path.name).symlink_to(path)
    names = [structure.key for structure in PAROTIDS]
    subprocess.run(
        [sys.executable, "-c", READ_WITH_DICOMRTTOOL, tmp_path / "all", tmp_path, *names],
        check=True,
        capture_output=True,
    )
    for structure in PAROTIDS:
        assert_same(sitk.ReadImage(str(tmp_path / f"{structure.key}.nrrd")), case.labels, structure)


@pytest.mark.parametrize("case", CASES, indirect=True)
def test_dcmqi_reads_the_segments_as_our_masks(case, tmp_path):
    arguments = ["--inputDICOM", case.seg, "--outputDirectory", tmp_path, "--outputType", "nrrd"]
    run("segimage2itkimage", *arguments, where_from="pip install dcmqi")
    for number, structure in enumerate(PAROTIDS, start=1):
        assert_same(sitk.ReadImage(str(tmp_path / f"{number}.nrrd")), case.labels, structure)


@pytest.mark.parametrize("case", CASES, indirect=True)
def test_highdicom_reads_the_segments_as_our_masks(case, tmp_path):
    highdicom = pytest.importorskip("highdicom")
    segmentation = highdicom.seg.segread(case.seg)
    volume = segmentation.get_volume(combine_segments=True)
    assert [segmentation.get_segment_description(number).segment_label for number in (1, 2)] == [
        structure.name for structure in PAROTIDS
    ]
    # Its arrays run along slices, rows and columns; columns of the affine are steps along those, mm, LPS.
    steps = volume.affine[:3, :3]
    image = sitk.GetImageFromArray(np.asarray(volume.array).astype(np.uint8))
    image.SetOrigin(volume.affine[:3, 3].tolist())
    spacing = np.linalg.norm(steps, axis=0)[::-1]
    image.SetSpacing(spacing.tolist())
    image.SetDirection((steps[:, ::-1] / spacing).ravel().tolist())
    for structure in PAROTIDS:
        assert_same(image == structure.label, case.labels, structure)


def errors_of(paths: Sequence[Path]) -> set[str]:
    """The errors, without warnings, that dciodvfy finds in any of these files."""
    return {line for path in paths for line in judged(path).splitlines() if line.startswith("Error")}


def judged(path: Path) -> str:
    return run("dciodvfy", path, where_from="apt install dicom3tools", codes=(0, 1))


@pytest.mark.parametrize("case", CASES, indirect=True)
@pytest.mark.parametrize("kind", ["rtstruct", "seg"])
def test_dciodvfy_finds_no_error_that_the_ct_did_not_have(case, kind):
    assert {"rtstruct": "RTStructureSet", "seg": "Segmentation"}[kind] in judged(getattr(case, kind))
    assert errors_of([getattr(case, kind)]) <= errors_of(sorted(case.ct.iterdir())[:3])


def test_dciodvfy_would_see_an_error(axial, tmp_path):
    import pydicom

    dataset = pydicom.dcmread(axial.rtstruct)
    del dataset.StructureSetLabel
    dataset.save_as(tmp_path / "broken.dcm")
    assert any("StructureSetLabel" in error for error in errors_of([tmp_path / "broken.dcm"]))


@pytest.mark.parametrize("case", CASES, indirect=True)
def test_dcentvfy_finds_one_patient_one_study_and_one_frame_of_reference(case):
    files = [*sorted(case.ct.iterdir()), case.rtstruct, case.seg]
    assert "Error" not in run("dcentvfy", *files, where_from="apt install dicom3tools")
