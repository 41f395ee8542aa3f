"""The input of a step: batches made ahead by threads, so that a step finds its batch ready."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

#: Batches that are ready or in work, for each thread that makes them and one more.
AHEAD_PER_WORKER = 2

Batch = tuple[np.ndarray, np.ndarray]


class Prefetcher:
    """Calls a function of 0, 1, 2 … in threads and gives its answers in order.

    SimpleITK and numpy release the interpreter while they work, so threads suffice.

    Args:
        workers: number of threads; 0 makes each batch when it is asked for.

    Attributes:
        waited: seconds that the reader has waited for batches.
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self.waited = 0.0

    def batches(self, make: Callable[[int], Batch], count: int) -> Iterator[Batch]:
        """The answers for 0 to count − 1. Leaving early ends the threads and drops what they made."""
        if not self._workers:
            for index in range(count):
                started = time.monotonic()
                batch = make(index)
                self.waited += time.monotonic() - started
                yield batch
            return
        pool = ThreadPoolExecutor(max_workers=self._workers, thread_name_prefix="batches")
        try:
            ahead = self._workers * AHEAD_PER_WORKER + 1
            pending: list[Future[Batch]] = [pool.submit(make, index) for index in range(min(ahead, count))]
            for index in range(count):
                started = time.monotonic()
                batch = pending.pop(0).result()
                self.waited += time.monotonic() - started
                if index + ahead < count:
                    pending.append(pool.submit(make, index + ahead))
                yield batch
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
