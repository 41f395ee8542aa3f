"""Training curves: read as `fit` writes them, losses apart, Dice together."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_runs import write_run
from matplotlib.figure import Figure
from sentences import refusal

from ParotidSegLib.errors import DataError, OutputError
from ParotidSegTrainingLib.judging.curves import describe_run, draw_curves, read_history


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run", [0.9, 0.5, 0.6], ["hybrid", "hybrid", ""])


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that are saved during a test."""
    saved: list[Figure] = []
    save = Figure.savefig

    def record(figure: Figure, *arguments: object, **options: object) -> None:
        saved.append(figure)
        save(figure, *arguments, **options)

    monkeypatch.setattr(Figure, "savefig", record)
    return saved


def test_a_history_is_read_as_the_trainer_writes_it(run):
    rows = read_history(run)
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert [row["val_loss"] for row in rows] == [0.45, 0.25, 0.3]
    assert [row["kept"] for row in rows] == [1.0, 1.0, 0.0]
    assert set(rows[0]) == {"epoch", "loss", "val_loss", "val_dice", "val_dice_1", "val_dice_2", "kept"}


def test_a_run_is_described_by_its_recipe(run, tmp_path):
    assert describe_run(run) == {
        "recipe": "tiny",
        "network": "residual_unet",
        "loss": "hybrid, gamma 2.0",
        "epochs": "9",
        "patches an epoch": "48",
    }
    assert describe_run(tmp_path) == {}


def test_histories_that_are_missing_or_damaged_are_refused_with_one_sentence(run, tmp_path):
    assert "finish an epoch" in refusal(DataError, read_history, tmp_path)
    for content in ("", "epoch,loss\n1,0.5\n", "epoch,loss,val_loss,val_dice\n1,much,0.5,0.5\n", "epoch\n1,2\n"):
        (run / "history.csv").write_text(content, encoding="utf-8")
        assert "damaged" in refusal(DataError, read_history, run)


def test_each_run_has_a_panel_of_losses_and_all_share_that_of_dice(run, tmp_path, figures):
    other = write_run(tmp_path / "other", [7.0, 5.0], ["hybrid", "best_dice"])
    draw_curves({"A, $2": read_history(run), "B": read_history(other)}, tmp_path / "curves.png")
    first, second, dice = figures[0].axes
    assert [axes.get_title(loc="left") for axes in (first, second)] == ["Loss of A, $2", "Loss of B"]
    assert [list(line.get_ydata()) for line in first.lines[:2]] == [[0.9, 0.5, 0.6], [0.45, 0.25, 0.3]]
    assert first.get_ylim()[1] < 2.0 < second.get_ylim()[1]
    named = {line.get_label(): list(line.get_ydata()) for line in dice.lines if not line.get_label().startswith("_")}
    assert named == {"A, $2": pytest.approx([0.1, 0.5, 0.4]), "B": pytest.approx([-6.0, -4.0])}
    # The dot of the last epoch that the hybrid checkpoint kept: the second of the one, the first of the other.
    dots = [(line.get_xdata()[0], line.get_ydata()[0]) for line in dice.lines if line.get_marker() == "o"]
    assert dots == [(2.0, pytest.approx(0.5)), (1.0, pytest.approx(-6.0))]


def test_a_steep_beginning_does_not_hide_the_rest_of_the_dice(tmp_path, figures):
    losses = [0.99, 0.3, 0.29, 0.28, 0.27, 0.26]
    draw_curves({"run": read_history(write_run(tmp_path / "run", losses, [""] * 6))}, tmp_path / "curves.png")
    low, high = figures[0].axes[-1].get_ylim()
    assert 0.6 < low < 0.7 - 0.01 and 0.74 + 0.01 < high < 0.8


def test_one_run_and_many_runs_are_drawn(run, tmp_path, figures):
    history = read_history(run)
    draw_curves({"only": history[:1]}, tmp_path / "curves.png")
    draw_curves({f"run {i}": history for i in range(6)}, tmp_path / "curves.png")
    assert [sum(axes.get_visible() for axes in figure.axes) for figure in figures] == [2, 7]
    assert ".png" in refusal(OutputError, draw_curves, {"only": history}, tmp_path / "curves.svg")
