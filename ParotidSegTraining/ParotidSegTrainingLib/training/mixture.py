"""Weights between those of two runs: what fine-tuning gained, with less of what it lost."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ParotidSegLib.errors import DataError

from .checkpoints import UNFIT, load_weights


@dataclass(frozen=True)
class Mixture:
    """Weights of the network that a run began with, as a rule, and their share in the mean with the run's own.

    A network that was fine-tuned to few cases does a little worse on what it had learned from before; in a mean of the
    weights of both, which costs nothing at inference, that comes back sooner than the gain goes (Wortsman et al.,
    Robust fine-tuning of zero-shot models, CVPR 2022).

    Attributes:
        weights: a .weights.h5 file of the same network.
        share: theirs in the mean, above 0 and below 1.
    """

    weights: Path
    share: float

    def __post_init__(self) -> None:
        if not 0.0 < self.share < 1.0:
            raise DataError(f"The share of the weights to mix with lies between 0 and 1, and is not {self.share}.")

    def into(self, model: Any) -> None:
        """Give a network the mean of its own weights and these.

        Raises:
            DataError: these are missing, damaged or of another network.
        """
        own = model.get_weights()
        try:
            load_weights(model, self.weights)
        except UNFIT as error:
            raise DataError(f"The weights {self.weights} to mix with are missing or of another network.") from error
        pairs = zip(own, model.get_weights(), strict=True)
        model.set_weights([(1.0 - self.share) * mine + self.share * other for mine, other in pairs])

    def described(self) -> dict[str, Any]:
        """What bundle.json says of it."""
        return {"sha256": hashlib.sha256(self.weights.read_bytes()).hexdigest(), "share": self.share}
