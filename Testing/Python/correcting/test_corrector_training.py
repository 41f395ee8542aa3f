"""The simulated user, the examples that are made with them, and the training of the correcting network."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from made_corrections import array_of, made_network, made_scan

from ParotidSegLib.correcting.expected.network import CORRECTOR, network_of
from ParotidSegLib.correcting.expected.network_input import CHANNELS, lattice_of, network_input
from ParotidSegLib.measuring.metrics import dice
from ParotidSegLib.model.bundle import load_bundle
from ParotidSegTrainingLib.training.automatic_contours import AutomaticCase
from ParotidSegTrainingLib.training.corrector_examples import batch_of, examples_of
from ParotidSegTrainingLib.training.corrector_training import CorrectorRecipe, fit_corrector, put_into_bundle
from ParotidSegTrainingLib.training.simulated_user import (
    Task,
    tasks_of,
    wavering,
    with_other_errors,
    without_uncertainty,
    worst_slice,
)


@pytest.fixture(scope="module")
def tasks() -> list[Task]:
    scan = made_scan()
    return list(tasks_of(AutomaticCase("made", scan.image, scan.automatic, scan.uncertainty), scan.wanted))


def test_a_task_is_one_gland_on_its_own_side(tasks):
    assert [task.gland.is_left for task in tasks] == [False, True]
    scan = made_scan()
    for label, task in zip((1, 2), tasks, strict=True):
        assert np.count_nonzero(task.gland.automatic) == np.count_nonzero(array_of(scan.automatic) == label)
        assert np.count_nonzero(task.wanted) == np.count_nonzero(array_of(scan.wanted) == label)


def test_the_worst_slice_is_the_one_with_most_wrong_voxels_that_is_left(tasks):
    task = tasks[0]
    wrong = (task.gland.automatic ^ task.wanted).sum(axis=(1, 2))
    first = worst_slice(task.wanted, task.gland.automatic, [])
    assert wrong[first] == wrong.max()
    second = worst_slice(task.wanted, task.gland.automatic, [first])
    assert second != first
    assert wrong[second] == np.delete(wrong, first).max()
    assert worst_slice(task.wanted, task.wanted, []) is None


def test_a_careless_hand_wavers_by_about_a_millimetre(tasks):
    task = tasks[0]
    number = int(np.flatnonzero(task.wanted.any(axis=(1, 2)))[10])
    fine = np.kron(task.wanted[number], np.ones((4, 4), bool))
    generator = np.random.default_rng(7)
    drawn = [wavering(fine, (2.5, 0.875, 0.875), generator) for _ in range(20)]
    overlaps = [dice(fine, one) for one in drawn]
    assert 0.85 < np.mean(overlaps) < 0.97
    assert not np.array_equal(drawn[0], drawn[1])
    assert not wavering(np.zeros((8, 8), bool), (2.5, 1.0, 1.0), generator).any()


def test_other_errors_are_other_contours_of_one_piece_whose_uncertainty_fits(tasks):
    generator = np.random.default_rng(11)
    for _ in range(5):
        gland = with_other_errors(tasks[1], generator).gland
        assert not np.array_equal(gland.automatic, tasks[1].gland.automatic)
        pieces = sitk.ConnectedComponent(sitk.GetImageFromArray(gland.automatic.astype(np.uint8)))
        assert sitk.GetArrayViewFromImage(pieces).max() == 1
        edge = np.abs(gland.geometric) < 2.0
        deep = np.abs(gland.geometric) > 6.0
        assert gland.uncertainty[edge].mean() > gland.uncertainty[deep].mean()
    assert without_uncertainty(tasks[0]).gland.modelled is None


def test_examples_are_what_the_network_will_see_and_corrected_slices_do_not_count(tasks):
    found = list(examples_of(tasks, 6, seed=3))
    assert len(found) == 12
    for example in found:
        assert example.values.shape[-1] == CHANNELS
        assert example.target.shape == (*example.values.shape[:3], 3)
        counts = example.target[..., 1]
        assert set(np.unique(counts)) == {0.0, 1.0}
        assert 1 <= (counts == 0.0).all(axis=(1, 2)).sum() <= 7
    again = list(examples_of(tasks, 6, seed=3))
    assert all(np.array_equal(a.values, b.values) for a, b in zip(found, again, strict=True))


def test_a_batch_is_filled_up_with_what_does_not_count(tasks):
    first, second = list(examples_of(tasks[:1], 2, seed=4))
    cut = replace(second, values=second.values[:5, :6], target=second.target[:5, :6])
    values, targets = batch_of([first, cut])
    assert np.array_equal(values[0], first.values)
    assert np.array_equal(values[1, :5, :6], cut.values)
    assert not targets[1, 5:, ..., 1].any()
    assert not targets[1, :, 6:, ..., 1].any()


@pytest.mark.engine
@pytest.mark.filterwarnings("ignore:.*retracing.*")
def test_training_lowers_the_loss_and_the_bundle_gets_a_network_that_computes_the_same(tasks, bundle):
    pytest.importorskip("tensorflow")
    lines: list[str] = []
    recipe = CorrectorRecipe(width=4, blocks=1, each=4, epochs=5, batch=4)
    examples = list(examples_of(tasks, recipe.each, seed=5))
    network = fit_corrector(examples, examples[:2], recipe, lines.append)
    losses = [float(line.split("loss ")[1].split(",")[0]) for line in lines]
    assert len(losses) == 5
    assert losses[-1] < losses[0]
    before = load_bundle(bundle)
    assert network_of(before) is None
    for _ in range(2):  # the second takes the place of the first
        put_into_bundle(network, bundle)
        after = load_bundle(bundle)
        kept = network_of(after)
        assert kept is not None
        gland, strokes = tasks[0].gland, tasks[0].strokes({10: tasks[0].wanted[10], 16: tasks[0].wanted[16]})
        seen = network_input(gland, strokes, lattice_of(gland))
        assert kept(seen) == pytest.approx(network(seen), abs=0.05)
    assert {name: entry for name, entry in after.files.items() if name != CORRECTOR} == dict(before.files)
    assert not np.allclose(made_network()(seen), kept(seen), atol=0.05)
