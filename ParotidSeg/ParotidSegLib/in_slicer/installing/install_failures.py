"""Why an installation failed, read from what pip printed: one sentence that says what to do."""

from __future__ import annotations

import platform
import re

_NO_CONNECTION = (
    "NewConnectionError",
    "NameResolutionError",
    "Failed to establish a new connection",
    "getaddrinfo failed",
    "Temporary failure in name resolution",
    "ConnectTimeoutError",
    "ReadTimeoutError",
    "Read timed out",
    "Connection broken",
    "RemoteDisconnected",
    "ConnectionResetError",
)
_PROXY = ("ProxyError", "Cannot connect to proxy", "407 Proxy Authentication Required", "Tunnel connection failed")
_CERTIFICATE = ("CERTIFICATE_VERIFY_FAILED", "SSLError", "SSLCertVerificationError")
_NO_SPACE = ("No space left on device", "[Errno 28]", "WinError 112", "not enough space on the disk")
_LONG_PATH = ("WinError 206", "[Errno 36]", "File name too long", "Enable Long Path")
_FORBIDDEN = ("Permission denied", "[Errno 13]", "WinError 5]", "Access is denied", "Read-only file system")
_DAMAGED = ("DO NOT MATCH THE HASHES", "BadZipFile", "Bad CRC", ".whl is invalid", "is not a zip file")
_CONFLICT = ("ResolutionImpossible", "conflicting dependencies", "have conflicting")
_NO_PIP = ("No module named pip",)
_ABSENT = re.compile(r"No matching distribution found for ([A-Za-z0-9._-]+)")

#: In this order: a connection that fails is also told as a package that cannot be found.
_SENTENCES: tuple[tuple[tuple[str, ...], str], ...] = (
    (_NO_PIP, "The Python of Slicer has no pip: install Slicer again."),
    (_PROXY, "The proxy refused the connection: give pip its address and password, or install from a folder."),
    (
        _CERTIFICATE,
        "The certificate of the package index is not trusted here, as behind some hospital proxies: ask who looks "
        "after the network, or install from a folder.",
    ),
    (_NO_SPACE, "The disk is full: make room and install again."),
    (
        _LONG_PATH,
        "A path is too long for this system: allow long paths in Windows, or set the variable PAROTIDSEG_PACKAGES to a "
        "short folder.",
    ),
    (
        _FORBIDDEN,
        "The system does not allow writing the packages: close other Slicer windows, or ask who looks after it.",
    ),
    (_DAMAGED, "A package is damaged: install again, or fill the folder of packages again."),
    (
        _NO_CONNECTION,
        "The connection to the package index failed: check it and install again, or install from a folder.",
    ),
    (_CONFLICT, "The packages found do not fit together: install from a folder that was filled as the help says."),
)


def reason(log: str, *, title: str, offline: bool) -> str:
    """One sentence for a pip that failed.

    Args:
        log: what pip printed.
        title: name of what was to be installed.
        offline: whether it came from a folder of packages.
    """
    for words, sentence in _SENTENCES:
        if any(word in log for word in words):
            return sentence
    absent = _ABSENT.search(log)
    python = ".".join(platform.python_version_tuple()[:2])
    if absent and offline:
        return (
            f"The folder has no package '{absent[1]}' that fits Python {python} on this computer: fill it again as the "
            "help says."
        )
    if absent:
        return f"There is no package '{absent[1]}' for Python {python} on this computer: choose another engine."
    return f"{title} could not be installed: the log says why."


def does_not_start(log: str, *, title: str) -> str:
    """One sentence for packages that were installed but cannot be loaded."""
    if "DLL load failed" in log:
        return f"{title} was fetched but does not start: add Microsoft's Visual C++ Redistributable and try again."
    if "GLIBC" in log or "GLIBCXX" in log:
        return f"{title} was fetched but does not start because this Linux is too old for it: choose another engine."
    if "outside the bounds" in log:
        return f"{title} was fetched but another version of it comes first: remove that one from Slicer's packages."
    if "Illegal instruction" in log:
        return f"{title} was fetched but this processor is too old for it: choose another engine."
    return f"{title} was fetched but does not start: the log says why."
