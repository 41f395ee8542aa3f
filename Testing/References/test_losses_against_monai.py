"""The losses, by value and by gradient, against those of MONAI and torch that share their definitions.

Up to the constants that are named here; the losses that neither has are compared with oracles in numpy
(Testing/Python/losses), on the same kinds of labels.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import pytest

pytest.importorskip("tensorflow")
torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("monai", reason="MONAI is not installed")

from loss_checks import KINDS, labels_of, logits_for, value_and_gradient  # noqa: E402
from monai import losses as theirs  # noqa: E402

pytestmark = pytest.mark.engine

ALPHA = [0.2, 0.3, 0.5]
#: Ours add ε to numerator and denominator, sum over the batch and leave the background out.
OVERLAP = {
    "include_background": False,
    "to_onehot_y": True,
    "softmax": True,
    "batch": True,
    "smooth_nr": 1e-5,
    "smooth_dr": 1e-5,
}
#: Volumes and slices with room for distances, beside the small and degenerate ones of KINDS.
CASES = [*KINDS, "volumes", "slices", "boxes in volumes", "boxes in slices"]


def made(case: str) -> tuple[np.ndarray, np.ndarray]:
    """Labels 0 to 2 and float32 logits (seed 10); in boxes the logits mostly follow the labels."""
    if case in KINDS:
        labels = labels_of(case)
        return labels, logits_for(labels).astype(np.float32)
    generator = np.random.default_rng(10)
    shape = (2, 9, 11, 7) if "volumes" in case else (3, 16, 13)
    labels = generator.integers(0, 3, shape)
    boxes = case.startswith("boxes")
    if boxes:
        labels[:] = 0
        labels[(slice(None), *(slice(1, n // 2) for n in shape[1:]))] = 1
        labels[(slice(None), *(slice(n // 2, n - 1) for n in shape[1:]))] = 2
    logits = generator.normal(0.0, 2.0, (*shape, 3)) + (2.0 * np.eye(3)[labels] if boxes else 0.0)
    return labels, logits.astype(np.float32)


def theirs_of(loss: Callable, labels: np.ndarray, logits: np.ndarray) -> tuple[float, np.ndarray]:
    """Value and gradient of loss(scores, labels); torch has the channels second."""
    scores = torch.tensor(np.moveaxis(logits, -1, 1), requires_grad=True)
    with warnings.catch_warnings():
        # MONAI warns of a batch whose spatial shape could be mistaken, and of empty masks.
        warnings.simplefilter("ignore")
        value = loss(scores, torch.tensor(labels))
    value.backward()
    return float(value.detach()), np.moveaxis(scores.grad.numpy(), 1, -1)


def assert_agree(settings: dict, loss: Callable, case: str, *, factor: float = 1.0) -> None:
    """Ours is theirs times a factor."""
    labels, logits = made(case)
    value, gradient = value_and_gradient(settings, labels, logits)
    expected, slope = theirs_of(loss, labels, logits)
    assert value == pytest.approx(factor * expected, rel=1e-5, abs=1e-7)
    np.testing.assert_allclose(gradient, factor * slope, rtol=1e-3, atol=1e-6)


def of_monai(loss: Callable) -> Callable:
    """MONAI asks for a channel of labels."""
    return lambda scores, labels: loss(scores, labels[:, None])


@pytest.mark.parametrize("case", CASES)
def test_dice_and_its_squared_form_agree(case):
    assert_agree({"name": "dice"}, of_monai(theirs.DiceLoss(**OVERLAP)), case)
    assert_agree({"name": "mdsc"}, of_monai(theirs.DiceLoss(squared_pred=True, **OVERLAP)), case)


@pytest.mark.parametrize(("fp_weight", "fn_weight"), [(0.3, 0.7), (0.9, 0.2)])
@pytest.mark.parametrize("case", CASES)
def test_tversky_agrees_with_alpha_for_false_positives_and_beta_for_false_negatives(case, fp_weight, fn_weight):
    loss = of_monai(theirs.TverskyLoss(alpha=fp_weight, beta=fn_weight, **OVERLAP))
    assert_agree({"name": "tversky", "fp_weight": fp_weight, "fn_weight": fn_weight}, loss, case)


@pytest.mark.parametrize("gamma", [1.0, 2.0])
@pytest.mark.parametrize("case", CASES)
def test_focal_is_the_number_of_classes_times_that_of_monai(case, gamma):
    loss = of_monai(theirs.FocalLoss(gamma=gamma, weight=ALPHA, to_onehot_y=True, use_softmax=True))
    assert_agree({"name": "focal", "gamma": gamma, "alpha": ALPHA}, loss, case, factor=3.0)


@pytest.mark.parametrize("case", CASES)
def test_dice_focal_is_their_sum(case):
    focal = of_monai(theirs.FocalLoss(gamma=2.0, to_onehot_y=True, use_softmax=True))
    dice = of_monai(theirs.DiceLoss(**OVERLAP))
    assert_agree(
        {"name": "dice_focal"}, lambda scores, labels: dice(scores, labels) + 3.0 * focal(scores, labels), case
    )


@pytest.mark.parametrize("case", CASES)
def test_the_hausdorff_loss_and_the_sums_with_it_agree(case):
    hausdorff = of_monai(theirs.HausdorffDTLoss(alpha=2.0, include_background=False, to_onehot_y=True, softmax=True))
    assert_agree({"name": "hausdorff_dt"}, hausdorff, case)
    tversky = of_monai(theirs.TverskyLoss(alpha=0.3, beta=0.7, **OVERLAP))
    assert_agree({"name": "tversky_hausdorff"}, lambda s, y: tversky(s, y) + 0.01 * hausdorff(s, y), case)


@pytest.mark.parametrize("case", CASES)
def test_the_cross_entropies_are_those_of_torch(case):
    assert_agree({"name": "cross_entropy"}, torch.nn.functional.cross_entropy, case)

    def binary(scores, labels):
        target = torch.nn.functional.one_hot(labels, 3).movedim(-1, 1)[:, 1:].to(scores.dtype)
        return torch.nn.functional.binary_cross_entropy(torch.softmax(scores, dim=1)[:, 1:], target)

    assert_agree({"name": "binary_cross_entropy"}, binary, case)
