"""Is a contour right, or which kind of error does it have? A multinomial logistic regression on a few dozen measures.

There are two: by the contour itself and the scan around it; and, where there is an automatic contour, by how the two
differ, which shifts what the first one says.

Their numbers lie in judgement.json, with where they came from; Testing/Benchmarks/contour_findings.py wrote them. Each
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
#: Smaller likelihoods are all alike.
LEAST_LIKELIHOOD = 1e-4


@dataclass(frozen=True)
class Judgement:
    """One regression.

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

    def of(self, measures: Mapping[str, float], first: Verdict | None = None) -> Verdict:
        """Judge one contour by its measures, and by what the first judgement said of it if this is the second."""
        values = np.array([[measures.get(name, np.nan) for name in self.measures]])
        logits = self.design(values)[0] @ self.weights
        if first is not None:
            logits = logits + first.logits
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

    @property
    def logits(self) -> np.ndarray:
        """Logarithms of the likelihoods, of those that are too small to be told apart that of the least, (kinds,)."""
        return np.log(np.maximum(list(self.likelihoods.values()), LEAST_LIKELIHOOD))


def score_of(likelihoods: np.ndarray) -> float:
    """Log-odds that a contour is not right, from the likelihoods of the kinds."""
    right = float(np.clip(likelihoods[0], 1e-12, 1.0 - 1e-12))
    return float(np.log1p(-right) - np.log(right))


def verdict_on(measures: Mapping[str, float]) -> Verdict:
    """What a contour is by all its measures; those against the automatic contour are used where there are any."""
    own = judgement_of("by_itself").of(measures)
    if "dice" not in measures:
        return own
    return judgement_of("with_automatic").of(measures, own)


def judgement_of(name: str) -> Judgement:
    """The judgement "by_itself" or "with_automatic" that ships."""
    return Judgement.from_data(_file()[name])


@lru_cache(maxsize=1)
def _file() -> dict[str, Any]:
    data: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return data
