"""The log of a worker: its beginning and its end are kept, however much it prints, and nobody's home folder shows."""

from __future__ import annotations

import threading
from collections import deque
from pathlib import Path


class LogText:
    """Collects lines from several threads.

    Args:
        first, last: characters kept of the beginning and of the end.
    """

    def __init__(self, first: int = 20_000, last: int = 200_000) -> None:
        self._first, self._last = first, last
        self._head: list[str] = []
        self._tail: deque[str] = deque()
        self._head_size = self._tail_size = self._dropped = 0
        self._lock = threading.Lock()
        self._home = str(Path.home())

    def add(self, line: str) -> str:
        """Take in a line, and give it as it will show."""
        shown = line.replace(self._home, "~") if len(self._home) > 3 else line
        with self._lock:
            if self._head_size + len(shown) <= self._first and not self._tail:
                self._head.append(shown)
                self._head_size += len(shown) + 1
                return shown
            kept = shown[-self._last :]
            self._tail.append(kept)
            self._tail_size += len(kept) + 1
            while self._tail_size > self._last + 1 and len(self._tail) > 1:
                self._tail_size -= len(self._tail.popleft()) + 1
                self._dropped += 1
        return shown

    def __str__(self) -> str:
        with self._lock:
            gap = [f"… {self._dropped} lines left out …"] if self._dropped else []
            return "\n".join([*self._head, *gap, *self._tail])
