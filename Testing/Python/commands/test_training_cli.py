"""`parotidseg-train`: exit codes, errors of one sentence, and each command from end to end on made data."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import made_training as made
import pytest

from ParotidSegLib import segmentation
from ParotidSegLib.errors import ImageError
from ParotidSegLib.model.bundle import load_bundle
from ParotidSegLib.structures import PAROTIDS
from ParotidSegTrainingLib.cli import main
from ParotidSegTrainingLib.judging import evaluation
from ParotidSegTrainingLib.training import trainer

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture
def recipe_file(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.json"
    path.write_text(made.tiny_recipe().to_json(), encoding="utf-8")
    return path


def failure(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """What is said on the error stream by a command that has to fail: one line, no traceback."""
    assert main([str(argument) for argument in arguments]) == 1
    said = capsys.readouterr().err
    assert said.startswith("parotidseg-train: ")
    assert said.count("\n") == 1
    assert "Traceback" not in said
    return said


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["train"],
        ["fit"],
        ["fit", "parotid-ct", "--run", "run"],
        ["evaluate", "--data", "data"],
        ["evaluate", "--data", "data", "--output", "out", "--split", "everything"],
        ["evaluate", "--data", "data", "--output", "out", "--engine", "magic"],
        ["evaluate", "--output", "out"],
        ["evaluate", "--reference", "a", "--output", "out"],
        ["evaluate", "--data", "data", "--candidate", "b", "--output", "out"],
        ["evaluate", "--data", "data", "--reference", "a", "--candidate", "b", "--output", "out"],
        ["evaluate", "--reference", "a", "--candidate", "b", "--output", "out", "--masks", "masks"],
        ["evaluate", "--reference", "a", "--candidate", "b", "--output", "out", "--card", "card.md"],
        ["bundle", "out", "--segmenter", "run"],
        ["bundle", "out", "--segmenter", "a", "--locator", "b", "--version", "1.0.0", "--weights", "best"],
    ],
)
def test_wrong_use_ends_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: parotidseg-train" in capsys.readouterr().err


def test_help_says_where_the_recipes_are_and_ends_with_0(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["fit", "--help"])
    assert ended.value.code == 0
    # The names themselves would be broken at their hyphens, where lines are short.
    assert "one that 'parotidseg-train recipes' lists" in " ".join(capsys.readouterr().out.split())


def test_errors_are_one_sentence_and_end_with_1(capsys, tmp_path, made_dataset, recipe_file):
    data, run = ["--data", made_dataset], ["--run", tmp_path / "run"]
    assert "parotid-ct" in failure(capsys, "fit", "nothing", *data, *run)
    assert "FIELD=VALUE" in failure(capsys, "fit", recipe_file, *data, *run, "--set", "seed")
    assert "optimisation.epochs" in failure(capsys, "fit", recipe_file, *data, *run, "--set", "optimisation.epochs=x")
    assert "splits.json" in failure(capsys, "fit", recipe_file, "--data", tmp_path, *run)
    assert "splits.json" in failure(capsys, "evaluate", "--data", tmp_path, "--output", tmp_path / "out")
    bundle = ["--bundle", tmp_path / "no-bundle"]
    assert "no-bundle" in failure(capsys, "evaluate", *data, *bundle, "--output", tmp_path / "out")
    described = ["--version", "1.0.0", "--description", "d", "--trained-on", "t"]
    runs = ["--segmenter", tmp_path / "a", "--locator", tmp_path / "b"]
    assert "hybrid" in failure(capsys, "bundle", tmp_path / "out", *runs, *described)
    assert not (tmp_path / "run").exists()
    assert not (tmp_path / "out").exists()


@pytest.mark.engine
def test_fit_takes_changes_of_the_recipe_and_reports_each_epoch(capsys, tmp_path, made_dataset, recipe_file):
    pytest.importorskip("tensorflow")
    changes = ["optimisation.epochs=1", "optimisation.steps_per_epoch=1", "loss.name=mdsc", "sampling.jitter=[1,2,3]"]
    arguments = ["fit", recipe_file, "--data", made_dataset, "--run", tmp_path / "run"]
    for change in changes:
        arguments += ["--set", change]
    assert main([str(argument) for argument in arguments]) == 0
    written = json.loads((tmp_path / "run" / "recipe.json").read_text(encoding="utf-8"))
    assert written["optimisation"]["epochs"] == 1
    assert written["loss"] == {"name": "mdsc"}
    assert written["sampling"]["jitter"] == [1.0, 2.0, 3.0]
    assert "epoch 1/1" in capsys.readouterr().out
    assert "another recipe" in failure(capsys, "fit", recipe_file, *arguments[2:6])


@pytest.mark.engine
def test_fit_on_a_finished_run_ends_with_0(made_dataset, tiny_run, recipe_file, tmp_path):
    run = shutil.copytree(tiny_run, tmp_path / "run")
    assert main(["fit", str(recipe_file), "--data", str(made_dataset), "--run", str(run)]) == 0


def test_ctrl_c_ends_with_130_and_says_how_to_go_on(capsys, monkeypatch, made_dataset, recipe_file, tmp_path):
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(trainer, "fit", interrupted)
    assert main(["fit", str(recipe_file), "--data", str(made_dataset), "--run", str(tmp_path / "run")]) == 130
    assert "same command" in capsys.readouterr().err


#: What a process runs that is asked to end while it writes into a run folder.
TERMINATED = """
import os, signal, sys, time
from pathlib import Path
from ParotidSegLib.files.atomic import atomic_path
from ParotidSegTrainingLib.cli import main
from ParotidSegTrainingLib.training import trainer
from ParotidSegTrainingLib.training.run_folder import locked

def fit(recipe, folder, run, **options):
    with locked(run), atomic_path(run / "state-1.weights.h5") as temporary:
        temporary.write_bytes(b"half")
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60.0)

trainer.fit = fit
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows ends a process without asking it")
def test_a_termination_leaves_no_debris(made_dataset, recipe_file, tmp_path):
    run = tmp_path / "run"
    folders = [str(REPOSITORY / name) for name in ("ParotidSeg", "ParotidSegTraining")]
    ended = subprocess.run(
        [sys.executable, "-c", TERMINATED, "fit", recipe_file, "--data", made_dataset, "--run", run],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(folders)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 143, ended.stderr
    assert list(run.iterdir()) == []


def test_a_failure_is_told_as_progress_is_asked_for(capsys, tmp_path, made_dataset, recipe_file):
    arguments = ["fit", "nothing", "--data", str(made_dataset), "--run", str(tmp_path / "run"), "--progress", "json"]
    assert main(arguments) == 1
    said = capsys.readouterr()
    assert json.loads(said.out)["stage"] == "error"
    assert said.err == ""


def test_evaluate_passes_its_options_on_and_writes_the_results(capsys, monkeypatch, made_dataset, tmp_path):
    seen: dict[str, object] = {}

    spec = SimpleNamespace(preprocessing=made.tiny_recipe().preprocessing)
    bundle = SimpleNamespace(name="mine", version="1.0.0", sha256="00ff", structures=PAROTIDS, segmenter=spec)
    opened = SimpleNamespace(bundle=bundle, segmenter=SimpleNamespace(name="keras"))

    def open_model(bundle: str, *, engine: str) -> object:
        seen.update(bundle=bundle, engine=engine)
        return opened

    def segment(image: object, model: object, *, mirror: bool) -> None:
        seen.update(model=model, mirror=mirror)
        raise ImageError("No parotid gland was found in the scan: is it a CT of the head and neck?")

    monkeypatch.setattr(segmentation, "open_model", open_model)
    monkeypatch.setattr(evaluation, "segment", segment)
    output, masks = tmp_path / "out", tmp_path / "masks"
    arguments = ["evaluate", "--data", made_dataset, "--split", "train", "--exclude", "head_2", "head_3"]
    arguments += ["--bundle", "mine", "--engine", "keras", "--no-mirror", "--output", output, "--masks", masks]
    assert main([str(argument) for argument in arguments]) == 0
    assert seen == {"bundle": "mine", "engine": "keras", "model": opened, "mirror": False}
    assert [path.name for path in masks.iterdir()] == ["head_1.nii.gz"]
    summary = json.loads((output / "summary.json").read_text(encoding="utf-8"))
    assert (summary["n_cases"], summary["missed"]) == (1, {"Parotid_R": 1, "Parotid_L": 1})
    printed = capsys.readouterr().out
    assert "Swapped sides: 0 of 1 cases." in printed
    assert str(output / "cases.csv") in printed
    assert "automatic - reference" in printed
    assert (output / "bland_altman.png").is_file()


def test_evaluate_compares_two_folders_without_a_model(capsys, monkeypatch, made_dataset, tmp_path):
    monkeypatch.setattr(segmentation, "open_model", None)
    masks, output = made_dataset / "masks", tmp_path / "out"
    arguments = ["evaluate", "--reference", masks, "--candidate", masks, "--exclude", "head_2", "--output", output]
    assert main([str(argument) for argument in arguments]) == 0
    names = {"cases.csv", "summary.json", "summary.md", "bland_altman.png"}
    assert {path.name for path in output.iterdir()} == names
    summary = json.loads((output / "summary.json").read_text(encoding="utf-8"))
    assert summary["n_cases"] == len(list(masks.iterdir())) - 1
    assert summary["metrics"]["Parotid_L"]["dice"]["minimum"] == 1.0
    assert summary["volume_agreement"]["Parotid_L"]["bias"]["value"] == 0.0
    printed = capsys.readouterr().out
    assert "candidate - reference" in printed
    assert all(str(output / name) in printed for name in names)
    slip = [argument if argument != "head_2" else "head_22" for argument in arguments]
    assert "case head_22 to leave out" in failure(capsys, *slip)
    other = tmp_path / "other"
    other.mkdir()
    said = failure(capsys, "evaluate", "--reference", masks, "--candidate", other, "--output", tmp_path / "no")
    assert "no contours" in said
    assert not (tmp_path / "no").exists()


@pytest.mark.engine
def test_bundle_and_evaluate_work_on_runs_as_fit_leaves_them(capsys, made_dataset, tiny_run, tmp_path):
    pytest.importorskip("tensorflow")
    bundle, runs = tmp_path / "mine", ["--segmenter", tiny_run, "--locator", tiny_run]
    described = ["--version", "1.2.3", "--description", "Tiny.", "--trained-on", "Made heads.", "--weights", "last"]
    assert main([str(argument) for argument in ["bundle", bundle, *runs, *described]]) == 0
    assert f"{bundle} is ready." in capsys.readouterr().out
    made_one = load_bundle(bundle)
    assert (made_one.name, made_one.version, made_one.training["data"]) == ("mine", "1.2.3", "Made heads.")
    arguments = [
        "evaluate",
        "--data",
        made_dataset,
        "--split",
        "test",
        "--bundle",
        bundle,
        "--output",
        tmp_path / "out",
    ]
    card = tmp_path / "card.md"
    card.write_text("# Mine\n\n{figures}\n\n![the lowest](lowest.png)\n", encoding="utf-8")
    assert "lowest.png" in failure(capsys, *arguments, "--engine", "keras", "--card", card)
    for wrong in ("../lowest.png", "low est.png", "lowest.jpg", "c:lowest.png"):
        card.write_text(f"{{figures}} ![the lowest]({wrong})", encoding="utf-8")
        assert wrong in failure(capsys, *arguments, "--engine", "keras", "--card", card)
    card.write_text("# Mine\n\n{figures}\n\n![the lowest](lowest.png)\n", encoding="utf-8")
    (tmp_path / "lowest.png").write_bytes(b"a text")
    assert "no PNG" in failure(capsys, *arguments, "--engine", "keras", "--card", card)
    (tmp_path / "lowest.png").write_bytes(b"\x89PNG\r\n\x1a\nA picture")
    assert main([*map(str, arguments), "--engine", "keras", "--card", str(card)]) == 0
    recorded = load_bundle(bundle)
    assert recorded.validation["n_cases"] == 1
    assert recorded.validation["split"] == "test"
    assert "| right | Dice |" in recorded.read("MODEL_CARD.md").decode("utf-8")
    assert recorded.read("lowest.png").endswith(b"A picture")
    packed = shutil.make_archive(str(tmp_path / "packed"), "zip", bundle)
    again = [packed if argument == bundle else argument for argument in arguments]
    assert "unpack" in failure(capsys, *again, "--engine", "keras", "--card", card)
    assert json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))["n_cases"] == 1
