"""Bland-Altman statistics: values worked out by hand, what too few pairs cannot give, the table and the picture."""

from __future__ import annotations

import builtins
import math
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from matplotlib.figure import Figure
from sentences import refusal

from ParotidSegLib.errors import OutputError, ParotidSegError
from ParotidSegLib.structures import PAROTIDS
from ParotidSegTrainingLib.judging.agreement import CELL, agreement_table, bland_altman, draw_bland_altman

#: Differences 1, 3, 2, 6 mL: mean 3, sum of squares about it 14.
REFERENCE, CANDIDATE = [10.0, 20.0, 30.0, 40.0], [11.0, 23.0, 32.0, 46.0]
#: 97.5 % quantile of Student's distribution with 3 degrees of freedom, as printed in tables.
T_3 = 3.182446


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


def of_both(*pairs: list[float]) -> dict[str, tuple[list[float], ...]]:
    return {structure.key: pairs for structure in PAROTIDS}


def test_bias_and_limits_are_those_worked_out_by_hand():
    found, sd = bland_altman(REFERENCE, CANDIDATE), math.sqrt(14 / 3)
    assert (found.n, found.bias.value) == (4, 3.0)
    assert found.sd == pytest.approx(sd)
    assert found.lower.value == pytest.approx(3.0 - 1.96 * sd)
    assert found.upper.value == pytest.approx(3.0 + 1.96 * sd)


def test_the_intervals_follow_bland_and_altman_1999():
    found, sd = bland_altman(REFERENCE, CANDIDATE), math.sqrt(14 / 3)
    for estimate, share in (
        (found.bias, 1 / 4),
        (found.lower, 1 / 4 + 1.96**2 / 6),
        (found.upper, 1 / 4 + 1.96**2 / 6),
    ):
        half = T_3 * sd * math.sqrt(share)
        assert estimate.low == pytest.approx(estimate.value - half, rel=1e-6)
        assert estimate.high == pytest.approx(estimate.value + half, rel=1e-6)


def test_the_slope_is_that_of_the_difference_on_the_mean_of_both():
    means, differences = np.array([10.5, 21.5, 31.0, 43.0]), np.array([1.0, 3.0, 2.0, 6.0])
    centred = means - means.mean()
    slope = (centred * differences).sum() / (centred**2).sum()
    rest = differences - differences.mean() - slope * centred
    t = slope / math.sqrt((rest**2).sum() / 2 / (centred**2).sum())
    found = bland_altman(REFERENCE, CANDIDATE)
    assert found.slope == pytest.approx(slope)
    # Student's distribution with 2 degrees of freedom has this closed form.
    assert found.slope_p == pytest.approx(1 - t / math.sqrt(2 + t**2))


def test_the_sign_of_bias_and_slope_turns_when_the_two_are_exchanged():
    found, turned = bland_altman(REFERENCE, CANDIDATE), bland_altman(CANDIDATE, REFERENCE)
    assert turned.bias.value == -found.bias.value
    assert turned.upper.high == pytest.approx(-found.lower.low)
    assert turned.slope == pytest.approx(-found.slope)
    assert turned.slope_p == pytest.approx(found.slope_p)


def test_the_interval_of_the_bias_covers_the_truth_as_often_as_it_says():
    generator = np.random.default_rng(11)
    reference = np.full(8, 30.0)
    samples = [bland_altman(reference, reference + generator.normal(2.0, 3.0, 8)) for _ in range(400)]
    assert 0.92 < np.mean([one.bias.low < 2.0 < one.bias.high for one in samples]) < 0.98


def test_equal_volumes_have_neither_bias_nor_spread():
    found = bland_altman(REFERENCE, REFERENCE)
    assert (found.bias.value, found.sd, found.lower.low, found.upper.high, found.slope) == (0.0,) * 5


def test_what_too_few_pairs_cannot_give_is_nan():
    none, one, two = (bland_altman(REFERENCE[:n], CANDIDATE[:n]) for n in range(3))
    assert (none.n, math.isnan(none.bias.value)) == (0, True)
    assert (one.n, one.bias.value) == (1, 1.0)
    assert all(math.isnan(value) for value in (one.sd, one.bias.low, one.upper.value, one.slope, one.slope_p))
    assert two.slope == pytest.approx(2 / 11)
    assert math.isfinite(two.upper.high)
    assert math.isnan(two.slope_p)
    assert math.isnan(bland_altman([10.0, 12.0, 11.0], [12.0, 10.0, 11.0]).slope)


@pytest.mark.parametrize(
    ("reference", "candidate"), [([1.0, 2.0], [1.0]), ([[1.0]], [[1.0]]), ([1.0], [math.nan]), ([math.inf], [1.0])]
)
def test_volumes_that_are_no_finite_pairs_are_refused(reference, candidate):
    with pytest.raises(ValueError, match=r"needed|finite"):
        bland_altman(reference, candidate)


def test_the_statistics_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        bland_altman(REFERENCE, CANDIDATE).sd = 0.0


def test_without_scipy_one_sentence_says_what_to_install(monkeypatch):
    load = builtins.__import__

    def without_scipy(name: str, *arguments: object, **options: object) -> object:
        if name.startswith("scipy"):
            raise ImportError(name)
        return load(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without_scipy)
    assert "pip install scipy" in refusal(ParotidSegError, bland_altman, REFERENCE, CANDIDATE)


def test_the_table_has_a_row_for_each_gland_and_names_the_direction():
    agreements = {"Parotid_R": bland_altman(REFERENCE, CANDIDATE), "Parotid_L": bland_altman(REFERENCE[:1], [9.0])}
    lines = agreement_table(agreements, candidate="second reader").splitlines()
    right, left = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:4])
    assert len(right) == len(left) == lines[0].count("|") - 1 == lines[1].count("---")
    assert right[:4] == ["right", "4", "3.00 (-0.44 to 6.44)", "2.16"]
    assert left[:4] == ["left", "1", "-1.00 (nan to nan)", "nan"]
    assert "second reader - reference" in lines[-1]


def test_a_small_p_value_is_not_printed_as_zero():
    steep = bland_altman(
        REFERENCE, [volume * 1.5 + wobble for volume, wobble in zip(REFERENCE, (0, 0.1) * 2, strict=True)]
    )
    assert agreement_table(dict.fromkeys(("Parotid_R", "Parotid_L"), steep)).count("| < 0.001 |") == 2


def test_the_picture_has_the_size_that_is_promised_and_the_colours_of_the_glands(tmp_path):
    path = draw_bland_altman(of_both(REFERENCE, CANDIDATE), tmp_path / "new" / "plot.png")
    assert [file.name for file in path.parent.iterdir()] == ["plot.png"]
    picture = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))[..., :3].astype(int)
    assert picture.shape == (CELL[1], 2 * CELL[0], 3)
    for structure, half in zip(PAROTIDS, (picture[:, :900], picture[:, 900:]), strict=True):
        for other in PAROTIDS:
            in_colour = np.abs(half - other.colour).max(axis=-1) < 6
            assert bool(in_colour.sum() > 100) == (other is structure)


def test_the_panels_show_every_pair_on_the_same_axes(tmp_path, figures):
    wide = ([20.0, 25.0, 60.0], [10.0, 50.0, 61.0])
    volumes = {"Parotid_R": (REFERENCE, CANDIDATE), "Parotid_L": wide}
    draw_bland_altman(volumes, tmp_path / "plot.png", candidate="second reader")
    right, left = figures[0].axes
    assert (right.get_xlim(), right.get_ylim()) == (left.get_xlim(), left.get_ylim())
    for axes, (reference, candidate) in zip((right, left), volumes.values(), strict=True):
        expected = np.column_stack([np.add(reference, candidate) / 2, np.subtract(candidate, reference)])
        np.testing.assert_allclose(axes.collections[0].get_offsets(), expected)
        assert axes.get_ylabel() == "Second reader \N{MINUS SIGN} reference, mL"
    assert [axes.get_title(loc="left") for axes in (right, left)] == [
        "Right parotid gland (n = 4)",
        "Left parotid gland (n = 3)",
    ]
    assert any(text.get_text().startswith("bias  3.00\n") for text in right.texts)


def test_any_number_of_structures_has_a_panel_each_with_two_side_by_side(tmp_path, figures):
    third = replace(PAROTIDS[0], label=3, key="Cord", name="Spinal cord", side="", laterality=None)
    volumes = {**of_both(REFERENCE, CANDIDATE), "Cord": (REFERENCE, REFERENCE)}
    for structures, size in (((third,), (1, 1)), ((*PAROTIDS, third), (2, 2))):
        path = draw_bland_altman(volumes, tmp_path / "plot.png", structures=structures)
        picture = sitk.ReadImage(str(path))
        assert picture.GetSize() == (size[0] * CELL[0], size[1] * CELL[1])
    titles = [axes.get_title(loc="left") for axes in figures[1].axes]
    assert titles[2] == "Spinal cord (n = 4)"
    boxes = [axes.get_position() for axes in figures[1].axes]
    assert boxes[0].x1 < boxes[1].x0 and boxes[2].y1 < boxes[0].y0 and boxes[2].x0 == boxes[0].x0


def test_pictures_that_are_looked_at_together_have_the_same_axes(tmp_path, figures):
    one, other = of_both(REFERENCE, CANDIDATE), of_both([50.0, 70.0, 60.0], [20.0, 90.0, 61.0])
    draw_bland_altman(one, tmp_path / "one.png", beside=[other])
    draw_bland_altman(other, tmp_path / "other.png", beside=[one])
    draw_bland_altman(one, tmp_path / "alone.png")
    together, again, alone = (figure.axes[0] for figure in figures)
    assert together.get_xlim() == again.get_xlim() and together.get_ylim() == again.get_ylim()
    assert together.get_ylim()[0] < alone.get_ylim()[0]
    np.testing.assert_array_equal(together.collections[0].get_offsets(), alone.collections[0].get_offsets())


def test_labels_stay_apart_where_the_limits_are_close(tmp_path, figures):
    volumes = {"Parotid_R": (REFERENCE, [10.0, 20.1, 30.0, 40.1]), "Parotid_L": (REFERENCE, [50.0, 1.0, 70.0, 3.0])}
    draw_bland_altman(volumes, tmp_path / "plot.png")
    heights = [text.get_position()[1] for text in figures[0].axes[0].texts if " SD" in text.get_text()]
    assert heights[0] - heights[1] > 0.2


@pytest.mark.parametrize("n", [0, 1])
def test_too_few_pairs_are_drawn_and_said(tmp_path, figures, n):
    path = draw_bland_altman(of_both(REFERENCE[:n], CANDIDATE[:n]), tmp_path / "plot.png")
    assert path.is_file()
    texts = [text.get_text() for axes in figures[0].axes for text in axes.texts]
    assert texts.count("too few pairs for a slope") == 2
    assert not any("nan" in text for text in texts)


def test_another_ending_than_png_is_refused(tmp_path: Path):
    assert ".png" in refusal(OutputError, draw_bland_altman, of_both(REFERENCE, CANDIDATE), tmp_path / "plot.pdf")
    assert list(tmp_path.iterdir()) == []
