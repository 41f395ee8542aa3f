"""Cross-validation: every case validates once, on one machine or on a cluster, and what was interrupted goes on."""

from __future__ import annotations

import dataclasses
import json
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

import made_training as made
import pytest
from sentences import refusal

from ParotidSegLib.errors import DataError, RecipeError
from ParotidSegTrainingLib.cli import main
from ParotidSegTrainingLib.data.dataset import DatasetFolder
from ParotidSegTrainingLib.training import folds as module
from ParotidSegTrainingLib.training.folds import cross_validate, divide, summarise_folds, table

TINY = made.tiny_recipe(optimisation__epochs=1, optimisation__steps_per_epoch=1)


@pytest.fixture
def folder(made_dataset: Path) -> DatasetFolder:
    return DatasetFolder.open(made_dataset)


def many(folder: DatasetFolder, count: int) -> DatasetFolder:
    """A data set in name only."""
    names = [f"case_{i:02d}" for i in range(count)]
    return dataclasses.replace(folder, splits={"train": tuple(names[5:]), "validation": tuple(names[:5]), "test": ()})


@pytest.mark.parametrize(("cases", "folds"), [(20, 5), (23, 4), (6, 6)])
def test_every_case_validates_once_and_the_folds_are_even(folder, cases, folds):
    divided = divide(many(folder, cases), TINY, folds)
    assert len(divided) == folds
    validation = [name for fold in divided for name in fold.splits["validation"]]
    assert sorted(validation) == [f"case_{i:02d}" for i in range(cases)]
    sizes = [len(fold.splits["validation"]) for fold in divided]
    assert max(sizes) - min(sizes) <= 1
    for fold in divided:
        assert sorted(fold.splits["train"] + fold.splits["validation"]) == sorted(validation)


def test_the_division_goes_by_the_seed(folder):
    data = many(folder, 20)

    def of(seed: int) -> list[tuple[str, ...]]:
        return [fold.splits["validation"] for fold in divide(data, made.tiny_recipe(seed=seed), 5)]

    assert of(1) == of(1)
    assert of(1) != of(2)


def test_excluded_and_test_cases_stay_out(folder):
    divided = divide(folder, made.tiny_recipe(exclude=["head_2"]), 2)
    names = {name for fold in divided for split in ("train", "validation") for name in fold.splits[split]}
    assert names == {"head_1", "head_3", "head_4", "head_5"}
    assert all(fold.splits["test"] == ("head_6",) for fold in divided)


def test_the_scans_of_one_patient_stay_together(folder, tmp_path):
    cases = {f"case_{i:02d}": {"patient": f"patient_{i // 3:03d}"} for i in range(18)}
    (tmp_path / "preparation.json").write_text(json.dumps({"cases": cases}), encoding="utf-8")
    data = dataclasses.replace(many(folder, 20), root=tmp_path)
    for fold in divide(data, TINY, 4):
        patients = [{cases[n]["patient"] for n in fold.splits[s] if n in cases} for s in ("train", "validation")]
        assert not patients[0] & patients[1]
        assert 3 <= len(fold.splits["validation"]) <= 7
    (tmp_path / "preparation.json").write_text("[]", encoding="utf-8")
    assert "damaged" in refusal(DataError, divide, data, TINY, 4)


def test_what_cannot_be_divided_is_refused_before_anything_is_written(folder, tmp_path):
    run = tmp_path / "run"
    assert "at least 2" in refusal(RecipeError, cross_validate, TINY, folder, run, folds=1)
    assert "fewer folds" in refusal(DataError, cross_validate, TINY, folder, run, folds=6)
    assert "numbered from 1 to 2" in refusal(RecipeError, cross_validate, TINY, folder, run, folds=2, only=3)
    assert not run.exists()


def test_a_folder_of_other_folds_is_refused(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "train_fold", lambda *_, **__: None)
    cross_validate(TINY, folder, tmp_path, folds=2)
    cross_validate(TINY, folder, tmp_path, folds=2)
    for changes in ({"folds": 3}, {"seed": 9}, {"exclude": ["head_1"]}, {"optimisation__learning_rate": 0.02}):
        recipe = made.tiny_recipe(**{k: v for k, v in changes.items() if k != "folds"})
        assert "other folds" in refusal(
            DataError, cross_validate, recipe, folder, tmp_path, folds=changes.get("folds", 2)
        )


def state_of(run: Path, dice: list[float]) -> None:
    rows = [{"epoch": i, "val_dice": d, "val_dice_1": d - 0.1, "kept": ""} for i, d in enumerate(dice, start=1)]
    run.mkdir()
    content = {"schema": 2, "epoch": len(rows), "checkpoint": {}, "rows": rows, "weights": ""}
    (run / "state.json").write_text(json.dumps(content), encoding="utf-8")


def test_the_summary_takes_the_best_epoch_of_each_fold(tmp_path):
    state_of(tmp_path / "fold_1", [0.5, float("nan"), 0.8, 0.7])
    state_of(tmp_path / "fold_3", [0.6])
    summary = summarise_folds(tmp_path, TINY, 3)
    assert [(row["fold"], row["best_epoch"], row["epochs"]) for row in summary["rows"]] == [(1, 3, 4), (3, 1, 1)]
    assert summary["mean"] == pytest.approx({"val_dice": 0.7, "val_dice_1": 0.6})
    assert summary["sd"] == pytest.approx({"val_dice": 0.1 * 2**0.5, "val_dice_1": 0.1 * 2**0.5})
    assert "mean Dice 0.700 ± 0.141 (SD over 2 folds)" in table(summary)
    assert (tmp_path / "summary.csv").read_text(encoding="utf-8").count("\n") == 3
    assert json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))["finished"] == 2
    assert table(summarise_folds(tmp_path, TINY, 0)) == ""


def test_a_fold_that_was_interrupted_is_no_part_of_the_summary(tmp_path):
    state_of(tmp_path / "fold_1", [0.5, 0.8])
    state_of(tmp_path / "fold_2", [0.1])
    summary = summarise_folds(tmp_path, made.tiny_recipe(optimisation__epochs=2), 2)
    assert (summary["finished"], summary["mean"]["val_dice"]) == (1, 0.8)


@pytest.mark.engine
def test_the_command_trains_each_fold_in_a_run_folder_of_its_own_and_goes_on(capsys, made_dataset, tmp_path):
    pytest.importorskip("tensorflow")
    recipe, run = tmp_path / "tiny.json", tmp_path / "run"
    recipe.write_text(TINY.to_json(), encoding="utf-8")
    command = ["folds", str(recipe), "--data", str(made_dataset), "--run", str(run), "--folds", "2"]
    assert main([*command, "--only", "2"]) == 0
    assert [path.name for path in run.iterdir() if path.is_dir()] == ["fold_2"]
    assert json.loads((run / "fold_2" / "fold.json").read_text(encoding="utf-8")) == {"fold": 2, "folds": 2, "seed": 5}
    weights = (run / "fold_2" / "last.weights.h5").read_bytes()
    capsys.readouterr()
    assert main([*command, "--progress", "json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert any(line["message"].startswith("fold 1: epoch 1/1") for line in lines)
    assert any("fold 2: tiny: the run is finished" in line["message"] for line in lines)
    assert (run / "fold_2" / "last.weights.h5").read_bytes() == weights
    summary = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    assert summary["finished"] == 2
    assert 0.0 <= summary["mean"]["val_dice"] <= 1.0
    cases = [json.loads((run / f"fold_{n}" / "provenance.json").read_text("utf-8"))["data"] for n in (1, 2)]
    assert sorted(data["validation"]["cases"] for data in cases) == [2, 3]


def test_without_dask_a_scheduler_is_refused_with_what_to_install(folder, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    text = refusal(RecipeError, cross_validate, TINY, folder, tmp_path, folds=2, scheduler="tcp://127.0.0.1:1")
    assert "pip install" in text


@pytest.mark.engine
@pytest.mark.skipif(find_spec("distributed") is None, reason="Dask is not installed")
# Dask closes its sockets when the interpreter gets to it.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
def test_the_workers_of_a_cluster_train_the_folds_and_report(made_dataset, tmp_path):
    pytest.importorskip("tensorflow")
    from distributed import LocalCluster

    run = tmp_path / "run"
    data = shutil.copytree(made_dataset, tmp_path / "data")
    lines: list[str] = []
    with LocalCluster(
        n_workers=1, threads_per_worker=2, processes=True, protocol="tcp", dashboard_address=None
    ) as cluster:
        summary = cross_validate(
            TINY,
            DatasetFolder.open(data),
            run,
            folds=2,
            scheduler=cluster.scheduler_address,
            report=lines.append,
        )
        (data / "splits.json").unlink()
        shutil.rmtree(run / "fold_1")
        with pytest.raises(DataError, match=r"Folds failed \(1, 2\)"):
            module._on_cluster(
                cluster.scheduler_address,
                TINY,
                data,
                run,
                folds=2,
                numbers=[1, 2],
                report=lines.append,
                options={},
            )
    assert summary["finished"] == 2
    assert {"fold 1: finished", "fold 2: finished"} <= set(lines)
    assert any(line.startswith("fold 1: epoch 1/1") for line in lines)
    assert any("splits.json" in line for line in lines)


@pytest.mark.skipif(find_spec("distributed") is None, reason="Dask is not installed")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
def test_a_scheduler_that_does_not_answer_is_refused(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("ParotidSegLib.terminal.batch.cluster.PATIENCE", 1)
    text = refusal(RecipeError, cross_validate, TINY, folder, tmp_path, folds=2, scheduler="tcp://127.0.0.1:1")
    assert "tcp://127.0.0.1:1" in text
