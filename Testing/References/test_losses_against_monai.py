"""The losses agree with those of MONAI and torch that share their definitions, up to the constants named here.

Keras runs on whichever backend there is: KERAS_BACKEND=torch serves where TensorFlow is missing.
"""

from __future__ import annotations

import numpy as np
import pytest

from ParotidSegTrainingLib.losses import build_loss

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("monai", reason="MONAI is not installed")
keras = pytest.importorskip("keras")

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
SHAPES = [(2, 9, 11, 7), (3, 16, 13)]


def made(shape: tuple[int, ...], *, blobs: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Labels 0 to 2 and logits (seed 10); blobs: boxes, and logits that mostly follow them."""
    generator = np.random.default_rng(10)
    labels = generator.integers(0, 3, shape)
    if blobs:
        labels[:] = 0
        labels[(slice(None), *(slice(1, n // 2) for n in shape[1:]))] = 1
        labels[(slice(None), *(slice(n // 2, n - 1) for n in shape[1:]))] = 2
    logits = generator.normal(0.0, 2.0, (*shape, 3)) + (2.0 * np.eye(3)[labels] if blobs else 0.0)
    return labels, logits.astype(np.float32)


def ours(settings: dict, labels: np.ndarray, logits: np.ndarray) -> float:
    value = build_loss(settings)(keras.ops.convert_to_tensor(labels), keras.ops.convert_to_tensor(logits))
    return float(keras.ops.convert_to_numpy(value))


def of_monai(loss, labels: np.ndarray, logits: np.ndarray) -> float:
    """MONAI has the channels second, and asks for a channel of labels."""
    return float(loss(torch.tensor(np.moveaxis(logits, -1, 1)), torch.tensor(labels[:, np.newaxis])))


@pytest.mark.parametrize("shape", SHAPES)
def test_dice_and_its_squared_form_agree(shape):
    labels, logits = made(shape)
    expected = of_monai(theirs.DiceLoss(**OVERLAP), labels, logits)
    assert ours({"name": "dice"}, labels, logits) == pytest.approx(expected, rel=1e-5)
    expected = of_monai(theirs.DiceLoss(squared_pred=True, **OVERLAP), labels, logits)
    assert ours({"name": "mdsc"}, labels, logits) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("fp_weight", "fn_weight"), [(0.3, 0.7), (0.9, 0.2)])
@pytest.mark.parametrize("shape", SHAPES)
def test_tversky_agrees_with_alpha_for_false_positives_and_beta_for_false_negatives(shape, fp_weight, fn_weight):
    labels, logits = made(shape)
    expected = of_monai(theirs.TverskyLoss(alpha=fp_weight, beta=fn_weight, **OVERLAP), labels, logits)
    settings = {"name": "tversky", "fp_weight": fp_weight, "fn_weight": fn_weight}
    assert ours(settings, labels, logits) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("gamma", [1.0, 2.0])
@pytest.mark.parametrize("shape", SHAPES)
def test_focal_is_the_number_of_classes_times_that_of_monai(shape, gamma):
    labels, logits = made(shape)
    loss = theirs.FocalLoss(gamma=gamma, weight=ALPHA, to_onehot_y=True, use_softmax=True)
    settings = {"name": "focal", "gamma": gamma, "alpha": ALPHA}
    assert ours(settings, labels, logits) == pytest.approx(3.0 * of_monai(loss, labels, logits), rel=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_dice_focal_is_their_sum(shape):
    labels, logits = made(shape)
    focal = theirs.FocalLoss(gamma=2.0, to_onehot_y=True, use_softmax=True)
    expected = of_monai(theirs.DiceLoss(**OVERLAP), labels, logits) + 3.0 * of_monai(focal, labels, logits)
    assert ours({"name": "dice_focal"}, labels, logits) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("blobs", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_hausdorff_loss_agrees(shape, blobs):
    labels, logits = made(shape, blobs=blobs)
    loss = theirs.HausdorffDTLoss(alpha=2.0, include_background=False, to_onehot_y=True, softmax=True)
    assert ours({"name": "hausdorff_dt"}, labels, logits) == pytest.approx(of_monai(loss, labels, logits), rel=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_cross_entropies_are_those_of_torch(shape):
    labels, logits = made(shape)
    scores, classes = torch.tensor(np.moveaxis(logits, -1, 1)), torch.tensor(labels)
    expected = float(torch.nn.functional.cross_entropy(scores, classes))
    assert ours({"name": "cross_entropy"}, labels, logits) == pytest.approx(expected, rel=1e-5)
    foreground = torch.softmax(scores, dim=1)[:, 1:]
    target = torch.tensor(np.moveaxis(np.eye(3, dtype=np.float32)[labels], -1, 1))[:, 1:]
    expected = float(torch.nn.functional.binary_cross_entropy(foreground, target))
    assert ours({"name": "binary_cross_entropy"}, labels, logits) == pytest.approx(expected, rel=1e-4)
