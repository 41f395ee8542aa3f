"""Something that is written anew as a whole whenever a part of it changes, at a small share of the time."""

from __future__ import annotations

import time
from collections.abc import Callable

#: The share of the time that goes into writing, at most.
SHARE = 0.02


class Paced:
    """Writes at once as long as that is cheap, else later: n changes of n parts would cost n² otherwise.

    After each writing it waits as long as keeps to the share; `flush` writes what is left.
    """

    def __init__(self, write: Callable[[], None], share: float = SHARE) -> None:
        self._write, self._share = write, share
        self._has_changed, self._next = False, 0.0

    def changed(self) -> None:
        """Note a change; write if it is time."""
        self._has_changed = True
        if time.monotonic() >= self._next:
            self.flush()

    def flush(self) -> None:
        """Write what has changed since the last time."""
        if self._has_changed:
            started = time.monotonic()
            self._write()
            self._has_changed = False
            ended = time.monotonic()
            self._next = ended + (ended - started) / self._share
