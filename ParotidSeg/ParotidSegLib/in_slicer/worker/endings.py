"""Why a worker ended without a result: one sentence that says what happened and what to do."""

from __future__ import annotations

import re
import signal
import sys

#: Exit codes of Windows for an access violation, an illegal instruction, a damaged heap, a failed check of the stack.
_WINDOWS_CRASHES = (0xC0000005, 0xC000001D, 0xC0000374, 0xC0000409)
_WINDOWS_NO_LIBRARY = (0xC0000135, 0xC0000139, 0xC0000142)
_CRASH_SIGNALS = tuple(getattr(signal, name, -1) for name in ("SIGSEGV", "SIGABRT", "SIGILL", "SIGBUS", "SIGFPE"))
_KILL_SIGNALS = tuple(getattr(signal, name, -1) for name in ("SIGKILL", "SIGTERM", "SIGHUP"))
_NO_MEMORY = ("MemoryError", "bad_alloc", "std::bad_alloc", "Cannot allocate memory", "ResourceExhaustedError")
_NO_MODULE = "No module named "
#: Slicer's launcher swallows the signal that ended the Python below it: it says this, and ends with 1 by itself.
_LAUNCHER_SAW_A_CRASH = re.compile(r"^error: \[.+\] exit abnormally", re.MULTILINE)
_LAUNCHER_FOUND_NO_PYTHON = "error: Application does NOT exist"
_LAUNCHER_MAY_NOT_START_IT = "error: Application is NOT executable"
#: What Python prints when a signal or an exception of Windows ends it; not when it is killed, as where memory runs out.
_TRACES_OF_A_CRASH = ("Fatal Python error: ", "Windows fatal exception: ")


def not_started(error: OSError) -> str:
    """The worker's Python could not be started."""
    if isinstance(error, FileNotFoundError):
        return "The worker could not be started because its Python is missing: install Slicer or the extension again."
    if isinstance(error, PermissionError):
        return (
            "The worker could not be started because the system does not allow it: ask who looks after this computer."
        )
    return (
        f"The worker could not be started ({error.strerror or type(error).__name__}): close other programs and retry."
    )


def stalled(seconds: float) -> str:
    """The worker was killed because it told nothing for this long."""
    span = f"{seconds / 60:.0f} minutes" if seconds >= 120 else f"{seconds:.0f} seconds"
    return f"The worker gave no sign of life for {span} and was stopped: try again, or choose another engine."


def ended(code: int, log: str) -> str:
    """The worker ended by itself without a result.

    Args:
        code: its exit code as `subprocess` gives it.
        log: what it printed.
    """
    if any(word in log for word in _NO_MEMORY):
        return "The worker ran out of memory: close other programs and try again."
    if code == 1 and _LAUNCHER_FOUND_NO_PYTHON in log:
        return not_started(FileNotFoundError())
    if code == 1 and _LAUNCHER_MAY_NOT_START_IT in log:
        return not_started(PermissionError())
    below_launcher = _died_below_a_launcher(code, log)
    crashed_below = below_launcher and any(trace in log for trace in _TRACES_OF_A_CRASH)
    killed = _signal_of(code)
    if killed == getattr(signal, "SIGKILL", None) or (below_launcher and not crashed_below):
        return "The worker was killed, most likely because the memory ran out: close other programs and try again."
    if killed in _KILL_SIGNALS:
        return "The worker was ended from outside before it was done: try again."
    if killed in _CRASH_SIGNALS or code & 0xFFFFFFFF in _WINDOWS_CRASHES or crashed_below:
        return "The engine crashed: try again, or choose another engine; the log says where it happened."
    if code & 0xFFFFFFFF in _WINDOWS_NO_LIBRARY or _NO_MODULE in log:
        return "The worker lacks a package or a system library: install the engine again; the log names it."
    if code == 0:
        return "The worker ended without a result: try again; the log holds what it printed."
    return f"The worker stopped unexpectedly (exit code {code}): the log says why."


def died(code: int, log: str) -> bool:
    """Whether the worker crashed or was killed, rather than ended by itself; arguments as of `ended`."""
    return not 0 <= code < 128 or _died_below_a_launcher(code, log)


def _died_below_a_launcher(code: int, log: str) -> bool:
    return code == 1 and _LAUNCHER_SAW_A_CRASH.search(log) is not None


def _signal_of(code: int) -> int | None:
    """The signal that ended a process, also as a launcher or shell passes it on."""
    if sys.platform == "win32":
        return None
    if code < 0:
        return -code
    return code - 128 if code > 128 else None
