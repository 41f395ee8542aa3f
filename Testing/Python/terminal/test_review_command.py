"""`parotidseg review` as a person meets it: from files of any origin to one page; one sentence for each mistake."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from html_checks import checked
from made_dicom_results import FRAME, PATIENT, TAGS, write_ct
from made_doses import made_dose, made_grid, points_of, write_rtdose
from made_images import like
from made_reviews import exchanged, extended, without

from ParotidSegLib import read_image
from ParotidSegLib.reading.label_maps import read_labels
from ParotidSegLib.reviewing import review as module
from ParotidSegLib.structures import LEFT_PAROTID, PAROTIDS, RIGHT_PAROTID
from ParotidSegLib.terminal.cli import main
from ParotidSegLib.writing.dicom_export import export_dicom
from ParotidSegLib.writing.pages.review_files import FILES

#: How files of a hospital may be called; nothing of it may come out again.
SURNAME = "Mustermann"


@pytest.fixture
def quick(monkeypatch):
    """Without the checks of the contours, which take most of the time and have tests of their own."""
    monkeypatch.setattr(module, "contour_findings", lambda image, labels, automatic=None: [])


@pytest.fixture(scope="module")
def labels(sample_labels) -> sitk.Image:
    return read_labels(sample_labels)


@pytest.fixture(scope="module")
def files(sample_ct, labels, tmp_path_factory) -> Path:
    """Of a patient: the sample as DICOM (CT, RTSTRUCT, SEG, RTDOSE), and other contours of it as a label map."""
    folder = tmp_path_factory.mktemp(SURNAME)
    write_ct(folder / "ct", read_image(sample_ct))
    a = extended(labels, RIGHT_PAROTID, (-4.0, 0.0, 0.0))
    export_dicom(a, folder / "a.rtstruct.dcm", dicom=folder / "ct")
    export_dicom(labels, folder / "b.seg.dcm", dicom=folder / "ct")
    sitk.WriteImage(a, str(folder / f"{SURNAME}.nii.gz"))
    dose(folder / "dose.dcm", folder / "ct")
    return folder


def dose(path: Path, ct: Path, planes: int = 75, **changes) -> Path:
    """40 Gy in the middle and 0.1 Gy less a millimetre towards the patient's left, over the whole sample."""
    grid = made_grid((80, 80, planes), (4.0, 4.0, 4.0), (-160.0, -160.0, -150.0))
    made = made_dose(grid, lambda points: 40.0 - 0.1 * points[..., 0])
    return write_rtdose(path, made, **{**belonging(ct), **changes})


def belonging(ct: Path) -> dict[str, str]:
    """What makes an object one of the patient's, on the CT's frame of reference."""
    header = pydicom.dcmread(next(ct.rglob("*.dcm")), stop_before_pixels=True)
    keywords = ("PatientID", "PatientName", "StudyInstanceUID", "FrameOfReferenceUID")
    return {keyword: str(header.get(keyword, "")) for keyword in keywords}


def run(*arguments: object) -> int:
    return main(["review", *map(str, arguments)])


def failure(capsys, *arguments: object, code: int = 1) -> str:
    """Run a command that must fail; its one sentence on the standard error."""
    assert run(*arguments, "--progress", "none") == code
    captured = capsys.readouterr()
    lines = captured.err.strip().splitlines()
    assert captured.out == "" and len(lines) == 1, captured.err
    assert lines[0].startswith("parotidseg: ") and lines[0].endswith(".")
    return lines[0]


@pytest.mark.usefixtures("quick")
def test_from_dicom_to_the_page_in_one_command(files, tmp_path, capsys):
    output = tmp_path / "out"
    named = ("--names", "Reader 1", "Reader 2")
    ct, a, b = files / "ct", files / "a.rtstruct.dcm", files / "b.seg.dcm"
    assert run(ct, a, "--against", b, "--dose", files / "dose.dcm", *named, "-o", output) == 0
    assert sorted(path.name for path in output.iterdir()) == sorted(FILES)
    page = checked((output / "review.html").read_text(encoding="utf-8"))
    assert page.headings[0] == "Parotid contours: Reader 1 (A), Reader 2 (B)"
    report = json.loads((output / "review.json").read_text(encoding="utf-8"))
    right, left = (report["comparison"][structure.key] for structure in PAROTIDS)
    assert right["borders_mm"]["lateral"] > 1.5 and left["dice"] == 1.0
    doses = [[report[letter]["structures"][s.key]["dose"]["mean_gy"] for s in PAROTIDS] for letter in "ab"]
    # The right gland lies where there is more; what A has more of it, where there is most.
    assert doses[0][0] > doses[1][0] + 0.1 > doses[1][1] + 5.0
    assert doses[0][1] == pytest.approx(doses[1][1])
    said = capsys.readouterr().out
    assert (
        "A: Reader 1 (Parotid_R from 'Parotid_R'" in said
        and "not for use without one" in said
        and str(output / "review.html") in said
    )


@pytest.mark.usefixtures("quick")
def test_nothing_of_the_patient_comes_out(files, tmp_path, capsys):
    given = (files / "ct", files / f"{SURNAME}.nii.gz", "--against", files / "b.seg.dcm", "--dose", files / "dose.dcm")
    assert run(*given, "-o", tmp_path / "out") == 0
    secrets = [
        SURNAME,
        *PATIENT.split("^"),
        TAGS["0010|0020"],
        TAGS["0010|0030"],
        TAGS["0008|0050"],
        FRAME,
        ".nii",
        ".dcm",
    ]
    for name in FILES:
        text = (tmp_path / "out" / name).read_text(encoding="utf-8")
        text = text if name != "review.html" else checked(text).words
        assert [secret for secret in secrets if secret.lower() in text.lower()] == []
    assert "contours under review" in (tmp_path / "out" / "review.html").read_text(encoding="utf-8")


@pytest.mark.usefixtures("quick")
def test_contours_alone_need_no_model(sample_ct, sample_labels, tmp_path, monkeypatch):
    monkeypatch.setattr("ParotidSegLib.segmentation.open_model", lambda *a, **o: pytest.fail("a model was opened"))
    assert run(sample_ct, sample_labels, "--no-automatic", "-o", tmp_path / "out", "--progress", "none") == 0
    report = json.loads((tmp_path / "out" / "review.json").read_text(encoding="utf-8"))
    assert "b" not in report and report["a"]["structures"][RIGHT_PAROTID.key]["volume_ml"] > 10.0


@pytest.mark.engine
def test_contours_are_compared_with_automatic_ones_unless_told_otherwise(sample_ct, sample_labels, tmp_path, capsys):
    assert run(sample_ct, sample_labels, "-o", tmp_path / "out", "--progress", "json") == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    fractions = [line["fraction"] for line in lines]
    assert fractions == sorted(fractions)
    assert lines[-1]["stage"] == "result"
    assert [Path(path).name for path in lines[-1]["files"]] == list(FILES)
    report = lines[-1]["report"]
    assert report["b"]["model"]["name"] == "parotid-ct" and report["b"]["name"].startswith("automatic (parotid-ct ")
    assert all(report["comparison"][structure.key]["dice"] > 0.85 for structure in PAROTIDS)
    # A model in the place of A, and another one beside it.
    two = ("bundle:parotid-ct", "--against", "bundle:parotid-ct-attention")
    assert run(sample_ct, *two, "-o", tmp_path / "two", "--progress", "none") == 0
    models = json.loads((tmp_path / "two" / "review.json").read_text(encoding="utf-8"))
    assert [models[letter]["model"]["name"] for letter in "ab"] == ["parotid-ct", "parotid-ct-attention"]
    assert models["a"]["structures"] == report["b"]["structures"]


@pytest.mark.usefixtures("quick")
def test_a_second_review_takes_the_place_of_the_first(sample_ct, sample_labels, labels, tmp_path):
    output = tmp_path / "out"
    sitk.WriteImage(exchanged(labels), str(tmp_path / "other.nii.gz"))
    for contours, is_swapped in ((sample_labels, False), (tmp_path / "other.nii.gz", True)):
        shutil.copy(sample_labels, tmp_path / "b.seg.nrrd")
        assert run(sample_ct, contours, "--against", tmp_path / "b.seg.nrrd", "-o", output, "--progress", "none") == 0
        assert json.loads((output / "review.json").read_text(encoding="utf-8"))["sides_are_swapped"] is is_swapped
        assert sorted(path.name for path in output.iterdir()) == sorted(FILES)


def test_wrong_use_is_said_before_anything_is_read(tmp_path, capsys):
    given = (tmp_path / "ct.nii.gz", tmp_path / "a.nii.gz")
    assert "must be a folder" in failure(capsys, *given, "-o", tmp_path / "page.html", code=2)
    assert "(2)" in failure(capsys, *given, "--names", "one", "-o", tmp_path / "out", code=2)
    assert "(1)" in failure(capsys, *given, "--no-automatic", "--names", "a", "b", "-o", tmp_path / "out", code=2)
    same = ("--against", tmp_path / "x" / ".." / "a.nii.gz")
    assert "one and the same" in failure(capsys, *given, *same, "-o", tmp_path / "out", code=2)
    model = (given[0], "bundle:parotid-ct")
    assert "one and the same" in failure(capsys, *model, "-o", tmp_path / "out", code=2)
    for wrong in (("--no-automatic", *same), ("--against", "bundle:"), ()):
        with pytest.raises(SystemExit) as caught:
            run(*given, *wrong, *(("-o", tmp_path / "out") if wrong else ()))
        assert caught.value.code == 2
    assert not (tmp_path / "out").exists()


def test_an_input_is_never_replaced(sample_ct, sample_labels, tmp_path, capsys):
    folder = tmp_path / "out"
    folder.mkdir()
    shutil.copy(sample_labels, folder / "review.csv")
    assert "one of the inputs" in failure(capsys, sample_ct, folder / "review.csv", "--no-automatic", "-o", folder)
    assert (folder / "review.csv").read_bytes() == sample_labels.read_bytes()


def test_contours_that_cannot_be_reviewed_get_one_sentence(sample_ct, sample_labels, tmp_path, capsys):
    output = ("-o", tmp_path / "out")
    alone = ("--no-automatic", *output)
    labels = read_labels(sample_labels)
    empty = tmp_path / "empty.nii.gz"
    sitk.WriteImage(without(labels, RIGHT_PAROTID, LEFT_PAROTID), str(empty))
    elsewhere = sitk.Image(labels)
    elsewhere.SetOrigin((900.0, 900.0, 900.0))
    sitk.WriteImage(elsewhere, str(tmp_path / "elsewhere.nii.gz"))
    (tmp_path / "text.nii.gz").write_text("not an image", encoding="utf-8")
    for name in ("missing.nii.gz", "text.nii.gz", "empty.nii.gz", "elsewhere.nii.gz"):
        assert "A: " in failure(capsys, sample_ct, tmp_path / name, *alone)
    assert "B: " in failure(capsys, sample_ct, sample_labels, "--against", empty, *output)
    assert "missing" in failure(capsys, tmp_path / "missing.nii.gz", sample_labels, *alone)
    assert "bundle" in failure(capsys, sample_ct, sample_labels, "--against", "bundle:unknown", *output).lower()
    assert not (tmp_path / "out").exists()


def test_doses_that_cannot_be_used_and_another_patient_get_one_sentence(files, sample_labels, tmp_path, capsys):
    alone = ("--no-automatic", "-o", tmp_path / "out")
    other = tmp_path / "of another patient"
    shutil.copytree(files / "ct", other)
    for path in other.iterdir():
        header = pydicom.dcmread(path)
        header.PatientID, header.FrameOfReferenceUID = "ID-0815", "2.25.77"
        header.save_as(path)
    assert "another patient" in failure(capsys, other, files / "a.rtstruct.dcm", *alone)
    assert "another patient" in failure(capsys, other, sample_labels, "--dose", files / "dose.dcm", *alone)
    for changes, said in (
        ({"DoseUnits": "RELATIVE"}, "percent"),
        ({"FrameOfReferenceUID": "2.25.78"}, "frame of reference"),
        ({"DoseSummationType": "FRACTION"}, "fraction"),
        ({"planes": 30}, "beyond the dose"),
    ):
        path = dose(tmp_path / "bad.dcm", files / "ct", **changes)
        assert said in failure(capsys, files / "ct", sample_labels, "--dose", path, *alone)
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("quick")
def test_a_dose_in_hundredths_of_a_gy(sample_ct, sample_labels, labels, tmp_path):
    stored = np.full(labels.GetSize()[::-1], 2650, np.uint16)
    sitk.WriteImage(like(labels, stored), str(tmp_path / "dose.nii.gz"))
    given = (sample_ct, sample_labels, "--no-automatic", "--dose", tmp_path / "dose.nii.gz", "--progress", "none")
    assert run(*given, "--dose-unit", "cGy", "-o", tmp_path / "out") == 0
    report = json.loads((tmp_path / "out" / "review.json").read_text(encoding="utf-8"))
    assert report["a"]["structures"][LEFT_PAROTID.key]["dose"]["mean_gy"] == pytest.approx(26.5)
    assert run(*given, "-o", tmp_path / "out") == 1


@pytest.mark.data
@pytest.mark.engine
def test_a_clinical_scan_goes_from_dicom_to_the_page_in_one_command(data_root, tmp_path, capsys):
    folder = data_root / "clinical_ct" / "head_neck_1"
    grid = made_grid((104, 104, 56), (5.0, 5.0, 5.0), (0.0, -512.0, -270.0))

    def sloping(points: np.ndarray) -> np.ndarray:
        """26 Gy in the middle of the head, 0.1 Gy more a millimetre towards the patient's right; never below 0."""
        return np.maximum(26.0 + 0.1 * (247.0 - points[..., 0]), 0.0)

    given = write_rtdose(tmp_path / "dose.dcm", made_dose(grid, sloping), **belonging(folder))
    scan = read_image(folder)
    points = points_of(scan)
    drawn = np.zeros(points.shape[:3], np.uint8)
    middles = {1: (187.0, -295.0, -138.0), 2: (308.0, -292.0, -135.0)}
    for label, middle in middles.items():
        drawn[(((points - middle) / (18.0, 25.0, 32.0)) ** 2).sum(axis=-1) < 1.0] = label
    export_dicom(like(scan, drawn), tmp_path / "a.rtstruct.dcm", dicom=folder)
    assert run(folder, tmp_path / "a.rtstruct.dcm", "--dose", given, "-o", tmp_path / "out", "--progress", "none") == 0
    page = checked((tmp_path / "out" / "review.html").read_text(encoding="utf-8"))
    assert len(page.pictures) == 3
    assert belonging(folder)["PatientID"] not in (tmp_path / "out" / "review.html").read_text(encoding="utf-8")
    report = json.loads((tmp_path / "out" / "review.json").read_text(encoding="utf-8"))
    for structure in PAROTIDS:
        assert report["comparison"][structure.key]["dice"] > 0.6
        expected = 26.0 + 0.1 * (247.0 - middles[structure.label][0])
        assert report["a"]["structures"][structure.key]["dose"]["mean_gy"] == pytest.approx(expected, abs=0.1)
