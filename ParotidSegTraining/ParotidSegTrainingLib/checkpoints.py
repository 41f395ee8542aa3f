"""Which weights of a run are kept."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass
class HybridCheckpoint:
    """The source method's rule: keep the weights of an epoch whose validation Dice and loss are both the best so far.

    Attributes:
        best_dice: highest validation Dice seen.
        best_loss: lowest validation loss seen.
    """

    best_dice: float = -math.inf
    best_loss: float = math.inf

    def update(self, dice: float, loss: float) -> tuple[bool, bool]:
        """Take in an epoch.

        Returns:
            (both are the best so far, Dice is the best so far).
        """
        better_dice, better_loss = dice > self.best_dice, loss < self.best_loss
        self.best_dice = max(self.best_dice, dice)
        self.best_loss = min(self.best_loss, loss)
        return better_dice and better_loss, better_dice
