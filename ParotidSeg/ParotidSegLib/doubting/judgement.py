"""Is a contour right, or which kind of error does it have? A multinomial logistic regression on a few dozen measures.

Its numbers lie in judgement.json, with where they came from; Testing/Benchmarks/contour_findings.py wrote them. Each
measure counts by how far it lies above, and how far below, what is usual, in units of the usual scatter z: as
log(1 + z), so that a gross error is no louder than a clear one. A measure that is unknown counts as usual.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

FILE = Path(__file__).with_name("judgement.json")
RIGHT = "right"


@dataclass(frozen=True)
class Judgement:
    """The regression.

    Attributes:
        kinds: what a contour can be: `RIGHT` first, then the kinds of errors.
        measures: their names.
        usual, scatter: of the measures, (measures,).
        weights: (2 · measures + 1, kinds): above the usual, below it, and the constant.
        limit: from this score on a contour is doubtful.
    """

    kinds: tuple[str, ...]
    measures: tuple[str, ...]
    usual: np.ndarray
    scatter: np.ndarray
    weights: np.ndarray
    limit: float

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Judgement:
        """From what `to_data` gives."""
        measures = data["measures"]
        table = [[row[part] for row in measures.values()] for part in ("usual", "scatter", "above", "below")]
        usual, scatter, above, below = (np.array(part, float) for part in table)
        weights = np.concatenate([above, below, np.array([data["constant"]], float)])
        return cls(tuple(data["kinds"]), tuple(measures), usual, scatter, weights, float(data["limit"]))

    def to_data(self) -> dict[str, Any]:
        """Ready for JSON: three decimals, which are more than the data can tell."""
        count = len(self.measures)
        above, below = self.weights[:count], self.weights[count : 2 * count]
        return {
            "kinds": list(self.kinds),
            "limit": round(self.limit, 3),
            "constant": np.round(self.weights[-1], 3).tolist(),
            "measures": {
                name: {
                    "usual": float(f"{self.usual[i]:.5g}"),
                    "scatter": float(f"{self.scatter[i]:.5g}"),
                    "above": np.round(above[i], 3).tolist(),
                    "below": np.round(below[i], 3).tolist(),
                }
                for i, name in enumerate(self.measures)
            },
        }

    def design(self, values: np.ndarray) -> np.ndarray:
        """What the weights are for: (contours, 2 · measures + 1) from values (contours, measures)."""
        z = np.nan_to_num((values - self.usual) / self.scatter)
        parts = [np.log1p(np.maximum(z, 0.0)), np.log1p(np.maximum(-z, 0.0)), np.ones((len(z), 1))]
        return np.concatenate(parts, axis=1)

    def of(self, measures: Mapping[str, float]) -> Verdict:
        """Judge one contour by its measures."""
        values = np.array([[measures.get(name, np.nan) for name in self.measures]])
        logits = self.design(values)[0] @ self.weights
        likelihood = np.exp(logits - logits.max())
        likelihood /= likelihood.sum()
        return Verdict(dict(zip(self.kinds, likelihood.tolist(), strict=True)), score_of(likelihood), self.limit)


@dataclass(frozen=True)
class Verdict:
    """What a contour is, with this likelihood for each kind; the score is the log-odds of any error."""

    likelihoods: Mapping[str, float]
    score: float
    limit: float

    @property
    def is_doubtful(self) -> bool:
        """Whether the score reaches the limit."""
        return self.score >= self.limit

    @property
    def kind(self) -> str:
        """The likeliest kind of error."""
        return max((kind for kind in self.likelihoods if kind != RIGHT), key=lambda kind: self.likelihoods[kind])


def score_of(likelihoods: np.ndarray) -> float:
    """Log-odds that a contour is not right, from the likelihoods of the kinds."""
    right = float(np.clip(likelihoods[0], 1e-12, 1.0 - 1e-12))
    return float(np.log1p(-right) - np.log(right))


@lru_cache(maxsize=1)
def shipped_judgement() -> Judgement:
    """The judgement that ships."""
    return Judgement.from_data(json.loads(FILE.read_text(encoding="utf-8"))["judgement"])
