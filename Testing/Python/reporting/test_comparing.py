"""`compare` and `report` from beginning to end, with a stand-in for the model; a killed comparison goes on."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import SimpleITK as sitk
from html_checks import checked
from made_images import like
from made_runs import write_run

from ParotidSegLib.errors import ImageError
from ParotidSegLib.model.preprocessing import Input
from ParotidSegLib.segmentation import Segmentation
from ParotidSegLib.structures import PAROTIDS
from ParotidSegTrainingLib.cli import main
from ParotidSegTrainingLib.data.dataset import DatasetFolder
from ParotidSegTrainingLib.judging import evaluation
from ParotidSegTrainingLib.judging.judge import LOG
from ParotidSegTrainingLib.reporting import comparing

CASES = ["head_1", "head_3"]


@pytest.fixture
def segmented(monkeypatch: pytest.MonkeyPatch, made_dataset: Path) -> list[str]:
    """Cases that the stand-in for segment() was given; it draws the reference, shrunk a little."""
    seen: list[str] = []
    folder = DatasetFolder.open(made_dataset)
    by_origin = {
        sitk.ReadImage(str(folder.image_paths(case)[0])).GetOrigin(): case
        for split in folder.splits
        for case in folder.cases(split)
    }
    network = SimpleNamespace(preprocessing=SimpleNamespace(inputs=(Input(),)))
    bundle = SimpleNamespace(name="mine", version="1.0.0", sha256="00ff", structures=PAROTIDS, segmenter=network)
    opened = SimpleNamespace(bundle=bundle, segmenter=SimpleNamespace(name="keras"))

    def segment(images: list[sitk.Image], model: object, *, mirror: bool) -> Segmentation:
        (image,) = images
        assert (model, mirror) == (opened, True)
        seen.append(by_origin[image.GetOrigin()])
        truth = folder.read_mask(seen[-1])
        array = sitk.GetArrayFromImage(truth)
        array[::2] = 0
        return Segmentation(like(truth, array), {}, [], {"segment": 1.0}, {})

    monkeypatch.setattr(comparing, "open_model", lambda model, *, engine: opened)
    monkeypatch.setattr(evaluation, "segment", segment)
    return seen


@pytest.fixture
def command(made_dataset: Path, tmp_path: Path, segmented: list[str]) -> list[str]:
    """A model against the reference itself, with its runs."""
    runs = [write_run(tmp_path / name, [0.9, 0.5], ["hybrid", ""]) for name in ("run_a", "run_b")]
    words = ["compare", "--data", made_dataset, "--a", "parotid-ct", "--b", made_dataset / "masks"]
    words += ["--split", "train", "--exclude", "head_2", "--names", "my model", "the reference"]
    words += ["--runs", *runs, "--overlays", "1", "--output", tmp_path / "out"]
    return [str(word) for word in words]


def test_compare_writes_table_statistics_pictures_and_one_page(command, segmented, tmp_path, capsys):
    assert main(command) == 0
    output = tmp_path / "out"
    names = {"comparison.csv", "comparison.json", "comparison.md", "comparison.png", "curves.png"}
    names |= {"volumes_a.png", "volumes_b.png"}
    names |= {"a", "b", "overlays", "overview.json", "overview.png", "report.html"}
    assert {path.name for path in output.iterdir()} == names
    evaluated = {"cases.csv", "summary.json", "summary.md", "bland_altman.png"}
    assert {path.name for path in (output / "a").iterdir()} == {*evaluated, "masks"}
    assert {path.name for path in (output / "b").iterdir()} == evaluated
    assert segmented == CASES
    data = json.loads((output / "comparison.json").read_text(encoding="utf-8"))
    assert (data["n_cases"], data["comparisons"]["Parotid_R"]["dice"]["b_better"]) == (2, 2)
    page = checked((output / "report.html").read_text(encoding="utf-8"))
    assert page.headings == [
        "my model (A) against the reference (B)",
        "In short",
        "A, B and A − B",
        "Case by case",
        "Where A and B differ most",
        "Volumes",
        "Training",
        "The data set",
        "What the figures mean",
        "How this came about",
    ]
    # Pairs, one case, two Bland-Altman plots, curves, histograms.
    assert len(page.pictures) == 6
    assert any("Axial CT slices of head_" in picture["alt"] for picture in page.pictures)
    assert "Loss" in page.words and "hybrid, gamma 2.0" in page.words
    printed = capsys.readouterr().out
    assert "| right | Dice | 2 |" in printed
    assert "report.html in a browser" in printed


def test_a_killed_comparison_goes_on_where_it_stopped(command, segmented, monkeypatch, tmp_path):
    draw = comparing.draw_overview

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(comparing, "draw_overview", killed)
    assert main(command) == 130
    assert not (tmp_path / "out" / "report.html").exists()
    assert len(list((tmp_path / "out").rglob(LOG))) == 2
    monkeypatch.setattr(comparing, "draw_overview", draw)
    assert main(command) == 0
    assert segmented == CASES, "each case is segmented once"
    assert not list((tmp_path / "out").rglob(LOG)), "a finished comparison begins anew"


def test_a_model_that_finds_nothing_is_compared_all_the_same(command, monkeypatch, tmp_path):
    def nothing(image: object, model: object, *, mirror: bool) -> None:
        raise ImageError("No parotid gland was found in the scan: is it a CT of the head and neck?")

    monkeypatch.setattr(evaluation, "segment", nothing)
    assert main(command) == 0
    page = checked((tmp_path / "out" / "report.html").read_text(encoding="utf-8"))
    assert "A missed the left parotid gland in 2 of 2 cases." in page.words


def test_contours_of_other_cases_and_runs_without_an_epoch_are_refused(command, tmp_path, capsys, segmented):
    (tmp_path / "few").mkdir()
    source = next((Path(command[2]) / "masks").glob("head_1*"))
    (tmp_path / "few" / source.name).write_bytes(source.read_bytes())
    changed = [str(tmp_path / "few") if word.endswith("masks") else word for word in command]
    assert main(changed) == 1
    assert "head_3" in capsys.readouterr().err
    before = len(segmented)
    (tmp_path / "run_b" / "history.csv").unlink()
    assert main(command) == 1
    assert "finish an epoch" in capsys.readouterr().err
    assert len(segmented) == before, "said before the first case"


@pytest.mark.parametrize(
    "words",
    [
        ["compare", "--data", "d", "--a", "x", "--output", "o"],
        ["compare", "--data", "d", "--a", "x", "--b", "y", "--names", "one", "--output", "o"],
        ["compare", "--data", "d", "--a", "x", "--b", "y", "--output", "o", "--nsd-tolerances", "-1"],
        ["report", "--output", "page.html"],
        ["report", "--results", "a", "b", "--names", "one", "--output", "page.html"],
    ],
)
def test_wrong_use_ends_with_2(words, capsys):
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert "usage: parotidseg-train" in capsys.readouterr().err


def test_report_makes_a_page_of_finished_results(command, made_dataset, tmp_path):
    assert main(command) == 0
    page = tmp_path / "single.html"
    words = ["report", "--results", tmp_path / "out" / "a", "--run", tmp_path / "run_a", "--data", made_dataset]
    assert main([str(word) for word in [*words, "--exclude", "head_2", "--output", page]]) == 0
    read = checked(page.read_text(encoding="utf-8"))
    assert read.headings[0] == "my model"
    assert {"Training", "The data set"} <= set(read.headings)
    assert "Cases: 2 train; 2 validation; 1 test." in read.words
    words = ["report", "--results", tmp_path / "out" / "a", tmp_path / "out" / "b", "--output", page]
    assert main([str(word) for word in words]) == 0
    assert "In short" in checked(page.read_text(encoding="utf-8")).headings
