"""Learning rates: pure functions of the step, so that a resumed run has the very rates that it would have had."""

from __future__ import annotations

import math

from ..recipe import Optimisation

#: The warm-up starts at this share of the highest rate.
WARMUP_START = 0.01


def learning_rate(settings: Optimisation, step: int) -> float:
    """The rate of a step.

    Over the first `warmup_steps` it rises in a line to the highest rate. After them, with t the share of the steps left
    that has passed:

    - constant: stays;
    - cosine: (1 + cos πt) / 2 (Loshchilov and Hutter 2017, one period);
    - polynomial: (1 − t)^power;
    - step: step_factor^⌊epoch / step_epochs⌋, epochs counted from the start of the run, as torch's StepLR has it.

    Args:
        settings: of the recipe.
        step: number of the step in the whole run, from 0.
    """
    warmup = min(settings.warmup_steps, settings.total_steps - 1)
    if step < warmup:
        risen = step / warmup
        return settings.learning_rate * (WARMUP_START + (1.0 - WARMUP_START) * risen)
    passed = min(1.0, (step - warmup) / (settings.total_steps - warmup))
    epoch = step // settings.steps_per_epoch
    shares = {
        "constant": lambda: 1.0,
        "cosine": lambda: (1.0 + math.cos(math.pi * passed)) / 2.0,
        "polynomial": lambda: (1.0 - passed) ** settings.power,
        "step": lambda: settings.step_factor ** (epoch // settings.step_epochs),
    }
    return settings.learning_rate * shares[settings.schedule]()
