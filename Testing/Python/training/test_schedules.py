"""The learning rates, each against its formula."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ParotidSegTrainingLib.recipe import SCHEDULES, Optimisation
from ParotidSegTrainingLib.training.schedules import learning_rate


def rates(**settings: object) -> np.ndarray:
    """The rate of each step of three epochs of 20 steps, and of the step after the last one."""
    optimisation = Optimisation(**{"learning_rate": 0.01, "steps_per_epoch": 20, "epochs": 3, **settings})
    return np.array([learning_rate(optimisation, step) for step in range(61)])


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_schedule_rises_in_a_line_from_a_hundredth_to_the_highest_rate(schedule):
    values = rates(schedule=schedule, warmup_steps=10)
    np.testing.assert_allclose(values[:11], np.linspace(1e-4, 0.01, 11), rtol=1e-12)
    assert max(values) == values[10]
    assert np.all(np.diff(values[10:]) <= 0.0)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_without_a_warm_up_every_schedule_begins_with_the_highest_rate(schedule):
    assert rates(schedule=schedule)[0] == 0.01


def test_a_constant_rate_stays():
    assert set(rates(schedule="constant")) == {0.01}


def test_the_cosine_falls_to_zero_and_has_half_the_rate_at_half_the_way():
    values = rates(schedule="cosine", warmup_steps=10)
    assert values[35] == pytest.approx(0.005)
    assert values[60] == 0.0
    assert values[20] == pytest.approx(0.01 * (1 + math.cos(math.pi * 10 / 50)) / 2)


def test_the_polynomial_is_what_is_left_to_the_power():
    np.testing.assert_allclose(rates(schedule="polynomial"), 0.01 * (1 - np.arange(61) / 60) ** 0.9)
    np.testing.assert_allclose(rates(schedule="polynomial", power=2.0)[30], 0.01 / 4)


def test_the_steps_are_those_of_the_epoch():
    values = rates(schedule="step", step_epochs=2, step_factor=0.5)
    np.testing.assert_allclose(values[[0, 19, 20, 39, 40, 59]], [0.01, 0.01, 0.01, 0.01, 0.005, 0.005])
    every = rates(schedule="step", step_epochs=1, step_factor=0.1)
    np.testing.assert_allclose(every[[19, 20, 40]], [0.01, 0.001, 0.0001])


def test_the_cosine_is_that_of_keras():
    keras = pytest.importorskip("keras")
    theirs = keras.optimizers.schedules.CosineDecay(1e-4, 50, warmup_target=0.01, warmup_steps=10)
    np.testing.assert_allclose(
        rates(schedule="cosine", warmup_steps=10), [float(theirs(step)) for step in range(61)], rtol=1e-4, atol=1e-8
    )


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_warm_up_longer_than_the_run_is_cut_to_it(schedule):
    optimisation = Optimisation(schedule=schedule, warmup_steps=200, steps_per_epoch=3, epochs=1, learning_rate=0.01)
    assert [learning_rate(optimisation, step) for step in range(3)] == pytest.approx([1e-4, 0.00505, 0.01])
