"""How long the work will still take, judged from how fast it went so far."""

from __future__ import annotations

import time
from collections.abc import Callable


class TimeLeft:
    """Estimates the seconds that are left from finished fractions.

    Loading an engine says nothing about the speed of the work that follows, so the clock starts when the fraction has
    passed the share of the start-up.

    Args:
        start_up: fraction of the whole at which the real work begins.
        clock: gives seconds.
    """

    #: No estimate from less of the work, or from less time, than this.
    LEAST_SHARE = 0.05
    LEAST_SECONDS = 0.5
    #: How much of a new estimate enters the one that is shown, so that it does not jump.
    WEIGHT = 0.4

    def __init__(self, start_up: float = 0.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._start_up, self._clock = start_up, clock
        self._first: tuple[float, float] | None = None
        self._end: float | None = None

    def update(self, fraction: float) -> float | None:
        """Take in a finished fraction (0..1).

        Returns:
            Seconds left, at least 0; None while that cannot be told.
        """
        now = self._clock()
        if self._first is None:
            if fraction >= self._start_up:
                self._first = (now, fraction)
            return None
        began, first = self._first
        share, seconds = fraction - first, now - began
        if share >= self.LEAST_SHARE and seconds >= self.LEAST_SECONDS:
            end = now + (1.0 - fraction) * seconds / share
            self._end = end if self._end is None else self._end + self.WEIGHT * (end - self._end)
        return None if self._end is None else max(0.0, self._end - now)
