"""Targets of the fuzzer with one fault each, which it has to find: at its ninth file, the sound one among them."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

from targets import SilentSwap, Target

from ParotidSegLib.errors import DataError

FAULTY = 8


def _planted(fault: Callable[[], None]) -> Target:
    def way(path: Path, folder: Path) -> None:
        counter = folder / "count"
        number = len(counter.read_bytes()) if counter.exists() else 0
        counter.write_bytes(b"x" * (number + 1))
        if number == FAULTY:
            fault()

    return Target(".bin", lambda folder: [b"some bytes"], way)


def _crash() -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def _hang() -> None:
    while True:
        pass


def _traceback() -> None:
    raise RecursionError("deep")


def _swap() -> None:
    raise SilentSwap("sides")


def _no_sentence() -> None:
    raise DataError("Errno 22")


def _refusal() -> None:
    raise DataError("It is damaged: export it again.")


TARGETS = {
    "crash": _planted(_crash),
    "hang": _planted(_hang),
    "traceback": _planted(_traceback),
    "swap": _planted(_swap),
    "no-sentence": _planted(_no_sentence),
    "refusal": _planted(_refusal),
}
