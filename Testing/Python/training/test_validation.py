"""The fixed validation patches: what is scored, and what is left out of the mean."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
from sentences import refusal

from ParotidSegLib.errors import RecipeError
from ParotidSegTrainingLib.losses import build_loss
from ParotidSegTrainingLib.training.patches import Patch
from ParotidSegTrainingLib.training.validation import validate

pytestmark = pytest.mark.engine
pytest.importorskip("keras")
pytest.importorskip("tensorflow")


class Painter:
    """Stands in for a network: answers each patch with the logits of the labels that it was given."""

    def __init__(self, answers: list[np.ndarray]) -> None:
        self.answers = iter(answers)

    def predict_on_batch(self, images: np.ndarray) -> np.ndarray:
        return 50.0 * np.eye(3, dtype=np.float32)[next(self.answers)][np.newaxis]


def patch_of(labels: list[int]) -> Patch:
    array = np.array(labels, np.uint8).reshape(1, 1, -1)
    return Patch(np.zeros((*array.shape, 1), np.float32), array)


def test_a_validation_loss_that_is_no_number_ends_the_run_with_a_sentence():
    patch = patch_of([0, 1, 2, 0])
    broken = SimpleNamespace(predict_on_batch=lambda images: np.full((1, *patch.labels.shape, 3), np.nan, np.float32))
    assert "validation" in refusal(RecipeError, validate, broken, [patch], build_loss({"name": "mdsc"}))


def test_validation_counts_each_gland_over_the_patches_that_hold_it():
    patches = [patch_of([0, 1, 1, 2]), patch_of([0, 1, 0, 0]), patch_of([0, 0, 0, 0])]
    answers = [np.array(a).reshape(1, 1, -1) for a in ([0, 1, 0, 2], [0, 1, 1, 0], [2, 0, 0, 0])]
    scores = validate(Painter(answers), patches, build_loss({"name": "cross_entropy"}))
    assert scores["val_dice_1"] == pytest.approx((2 / 3 + 2 / 3) / 2)
    assert scores["val_dice_2"] == pytest.approx(1.0)
    assert scores["val_dice"] == pytest.approx((2 / 3 + 1.0) / 2)
    assert scores["val_loss"] == pytest.approx(np.mean([50.0 / 4, 50.0 / 4, 50.0 / 4]), rel=1e-5)


def test_a_gland_that_no_validation_patch_holds_is_left_out_of_the_mean():
    patch = patch_of([0, 1, 1, 0])
    scores = validate(Painter([patch.labels]), [patch], build_loss({"name": "mdsc"}))
    assert math.isnan(scores["val_dice_2"])
    assert scores["val_dice"] == scores["val_dice_1"] == 1.0
