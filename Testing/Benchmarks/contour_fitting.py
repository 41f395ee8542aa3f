"""How the judgement of contours is fitted, and how its figures are: cross-validated over patients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from contour_cases import RIGHT_KINDS, Measured
from scipy.optimize import minimize

from ParotidSegLib.doubting.judgement import RIGHT, Judgement

#: Kind of made error -> kind of the judgement.
KIND_OF = {
    "top cut": "end cut",
    "bottom cut": "end cut",
    "moved": "displaced",
    "moved by slices": "displaced",
    "both moved": "displaced",
    "some slices moved": "slices uneven",
    "slices missing": "slices uneven",
    "hole": "part missing",
    "into muscle": "spill",
    "into the skin": "spill",
    "into bolus": "spill",
    "into the jaw": "spill",
    "larger": "too large",
    "smaller": "too small",
    "smoothed": "too smooth",
    "submandibular gland": "other structure",
    "masseter": "other structure",
    "jaw": "other structure",
    "stray pieces": "stray pieces",
    "on the other side": "wrong side",
    "sides swapped": "wrong side",
}
KINDS = (RIGHT, *dict.fromkeys(KIND_OF.values()))
#: An error that changes the Dice by this much counts in full; a smaller one by its share of it.
FULL_CHANGE = 0.1
#: Strength of the ridge, and how many measures are kept.
RIDGE, KEPT = 10.0, 40
FOLDS, RESAMPLES, SEED = 5, 500, 17


def is_right(row: Measured) -> bool:
    """Whether nothing was done to the contour that is an error."""
    return row.kind in RIGHT_KINDS


def matrix(rows: Sequence[Measured], names: Sequence[str]) -> np.ndarray:
    """The measures, (rows, names); NaN where unknown."""
    values = np.array([[row.measures.get(name, np.nan) for name in names] for row in rows], float)
    return np.where(np.isfinite(values), values, np.nan)


def fitted(rows: Sequence[Measured], names: Sequence[str]) -> Judgement:
    """The judgement on these rows: fitted on all measures, then again on those with the largest weights."""
    full = _fitted(rows, names)
    size = (full.weights[:-1] ** 2).reshape(2, len(names), -1).sum(axis=(0, 2))
    best = np.sort(np.argsort(-size)[:KEPT])
    return _fitted(rows, [names[i] for i in best])


def _fitted(rows: Sequence[Measured], names: Sequence[str]) -> Judgement:
    values = matrix(rows, names)
    right = np.array([is_right(row) for row in rows])
    usual = np.nanmedian(values[right], axis=0)
    low, high = np.nanpercentile(values[right], [15.0, 85.0], axis=0)
    # A measure that hardly varies where nothing is wrong gets a scatter that is seen among errors.
    extent = np.nanpercentile(values, 98.0, axis=0) - np.nanpercentile(values, 2.0, axis=0)
    scatter = np.maximum((high - low) / 2.0, 0.05 * extent + 1e-3)
    wanted = np.array([0 if ok else KINDS.index(KIND_OF[row.kind]) for ok, row in zip(right, rows, strict=True)])
    weight = np.array([min(1.0, row.change / FULL_CHANGE) for row in rows])
    weight[right] = weight[~right].sum() / right.sum()
    judgement = Judgement(KINDS, tuple(names), usual, scatter, np.zeros((2 * len(names) + 1, len(KINDS))), 0.0)
    weights = _regression(judgement.design(values), wanted, weight / weight.mean())
    return replace(judgement, weights=weights)


def _regression(design: np.ndarray, wanted: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Weights (columns, kinds) of the ridge-penalised multinomial logistic regression."""
    shape, rows = (design.shape[1], len(KINDS)), np.arange(len(design))

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weights = flat.reshape(shape)
        logits = design @ weights
        logits -= logits.max(axis=1, keepdims=True)
        logarithm = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        error = np.exp(logarithm)
        error[rows, wanted] -= 1.0
        gradient = design.T @ (error * weight[:, np.newaxis])
        gradient[:-1] += RIDGE * weights[:-1]
        value = -(weight * logarithm[rows, wanted]).sum() + 0.5 * RIDGE * (weights[:-1] ** 2).sum()
        return float(value), gradient.ravel()

    found = minimize(loss, np.zeros(shape).ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 500})
    return np.asarray(found.x.reshape(shape))


def folds_of(rows: Sequence[Measured]) -> np.ndarray:
    """The fold of each row: all of one patient in one."""
    patients = sorted({row.patient for row in rows})
    order = dict(zip(patients, np.random.default_rng(SEED).permutation(len(patients)) % FOLDS, strict=True))
    return np.array([order[row.patient] for row in rows])


def cross_validated(rows: Sequence[Measured], names: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    """Score of each row, and its likeliest kind of error, by the judgement on the patients of the other folds."""
    folds, scores, kinds = folds_of(rows), np.zeros(len(rows)), np.zeros(len(rows), object)
    for fold in range(FOLDS):
        judgement = fitted([row for row, own in zip(rows, folds, strict=True) if own != fold], names)
        for i in np.flatnonzero(folds == fold):
            verdict = judgement.of(rows[i].measures)
            scores[i], kinds[i] = verdict.score, verdict.kind
    return scores, kinds.tolist()


def limit_of(scores: np.ndarray, share: float) -> float:
    """The lowest limit that at most this share of the scores reach: half way to the next lower score."""
    highest, reach = np.sort(scores)[::-1], int(share * len(scores))
    return float(highest[max(0, reach - 1) : reach + 1].mean())


def auc(right: np.ndarray, wrong: np.ndarray) -> float:
    """Area under the ROC curve: how often a wrong contour has a higher score than a right one."""
    _, place, count = np.unique(np.concatenate([right, wrong]), return_inverse=True, return_counts=True)
    ranks = (np.cumsum(count) - (count - 1) / 2.0)[place]
    return float((ranks[len(right) :].sum() - len(wrong) * (len(wrong) + 1) / 2.0) / (len(right) * len(wrong)))


def interval(
    statistic: Callable[[np.ndarray, np.ndarray], float],
    right: np.ndarray,
    wrong: np.ndarray,
    patients: tuple[Sequence[str], Sequence[str]],
) -> tuple[float, float]:
    """95 % interval of a statistic of two groups of scores, by resampling patients."""
    names = sorted({*patients[0], *patients[1]})
    places = [{name: np.flatnonzero(np.array(group) == name) for name in names} for group in patients]
    generator, values = np.random.default_rng(SEED), []
    for _ in range(RESAMPLES):
        drawn = generator.choice(names, len(names))
        one, two = (np.concatenate([group[name] for name in drawn]) for group in places)
        if len(one) and len(two):
            values.append(statistic(right[one], wrong[two]))
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)
