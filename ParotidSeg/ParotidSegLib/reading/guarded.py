"""A reader in a process of its own, for files that a library in C may crash, hang or swell on.

What is plain (most scans) is read in this process: see `dicom.walk` and `formats.file_formats`. All else (compressed
pixels, headers that Python cannot vouch for) is handed to one child, kept for the next file; a crash there is an error
about one file here. The child starts nothing but Python and SimpleITK, which takes a sixth of a second.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

#: A file that takes longer is one that never ends: the largest CT takes some seconds.
MOST_SECONDS = 120.0
#: Slices handed over at once: bounds the memory that the passage needs on top of the image.
SLAB = 16
_MODULE_FOLDER = Path(__file__).resolve().parents[2]


class Child:
    """The child process: started at the first request, again after a crash, ended with this process."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0
        self._lock = threading.Lock()

    @contextmanager
    def asked(self, request: dict[str, Any]) -> Iterator[tuple[dict[str, Any], Any]]:
        """The child's answer, and the stream with the bytes that follow it.

        Raises:
            RuntimeError: as SimpleITK raises it where the file cannot be read; also if the child crashed or was
                ended because it took too long or too much memory.
        """
        with self._lock:
            process = self._running()
            assert process.stdin is not None and process.stdout is not None
            watch = threading.Timer(MOST_SECONDS, process.kill)
            watch.daemon = True
            watch.start()
            is_whole = False
            try:
                process.stdin.write(json.dumps(request).encode("ascii") + b"\n")
                process.stdin.flush()
                line = process.stdout.readline()
                if not line:
                    raise EOFError
                answer = json.loads(line)
                if "error" in answer:
                    is_whole = True
                    raise RuntimeError(answer["error"])
                yield answer, process.stdout
                is_whole = True
            except (OSError, EOFError, ValueError) as error:
                raise RuntimeError("the reader crashed or was stopped") from error
            finally:
                watch.cancel()
                if not is_whole:  # nobody knows what else would come out of it
                    self.close()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._owner == os.getpid() and self._process.poll() is None:
            return self._process
        self.close()
        paths = [str(_MODULE_FOLDER), *(path for path in sys.path if path)]
        self._process = subprocess.Popen(
            [sys.executable, "-S", "-m", f"{__package__}.guarded_child"],  # it finds what this process finds
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        self._owner = os.getpid()
        return self._process

    def close(self) -> None:
        """End the child, if there is one of this process."""
        process, self._process = self._process, None
        if process is None or self._owner != os.getpid():
            return
        process.kill()
        for stream in (process.stdin, process.stdout):
            with suppress(OSError):
                if stream is not None:
                    stream.close()
        process.wait()


_child = Child()
atexit.register(_child.close)


class GuardedReader:
    """A `sitk.ImageFileReader` that works in the child; only what is used of that class."""

    def __init__(self) -> None:
        self._request: dict[str, Any] = {}
        self._header: dict[str, Any] = {}

    def SetFileName(self, name: str) -> None:
        self._request["path"] = name

    def SetImageIO(self, name: str) -> None:
        self._request["io"] = name

    def SetOutputPixelType(self, pixel_type: int) -> None:
        self._request["pixel_type"] = pixel_type

    def SetExtractSize(self, size: Sequence[int]) -> None:
        self._request["extract"] = [int(length) for length in size]

    def ReadImageInformation(self) -> None:
        with _child.asked({**self._request, "task": "header"}) as (answer, _):
            self._header = answer

    def GetSize(self) -> tuple[int, ...]:
        return tuple(self._header["size"])

    def GetSpacing(self) -> tuple[float, ...]:
        return tuple(self._header["spacing"])

    def GetDirection(self) -> tuple[float, ...]:
        return tuple(self._header["direction"])

    def GetDimension(self) -> int:
        return len(self._header["size"])

    def GetNumberOfComponents(self) -> int:
        return int(self._header["components"])

    def GetPixelIDValue(self) -> int:
        return int(self._header["pixel_type"])

    def HasMetaDataKey(self, key: str) -> bool:
        return key in self._header["metadata"]

    def GetMetaData(self, key: str) -> str:
        return str(self._header["metadata"][key])

    def GetMetaDataKeys(self) -> tuple[str, ...]:
        return tuple(self._header["metadata"])

    def values(self) -> npt.NDArray[Any]:
        """The voxels alone, slices first, as they come: without a copy, and read-only."""
        with _child.asked({**self._request, "task": "image"}) as (answer, stream):
            kind, shape = _kind(answer), answer["size"][::-1]
            content = stream.read(int(np.prod(shape)) * answer["components"] * kind.itemsize)
            if len(content) < int(np.prod(shape)) * answer["components"] * kind.itemsize:
                raise EOFError
            return np.frombuffer(content, kind).reshape(*shape, -1)[..., 0]

    def Execute(self) -> sitk.Image:
        with _child.asked({**self._request, "task": "image"}) as (answer, stream):
            return _received(answer, stream)


def _kind(answer: dict[str, Any]) -> np.dtype[Any]:
    """The type of the numbers of an answer."""
    one = sitk.Image([1] * len(answer["size"]), answer["pixel_type"], answer["components"])
    return sitk.GetArrayViewFromImage(one).dtype


def _received(answer: dict[str, Any], stream: Any) -> sitk.Image:
    """The image of an answer: allocated once, and filled slab by slab."""
    size, components = answer["size"], answer["components"]
    whole = sitk.Image(size, answer["pixel_type"], components)
    kind = _kind(answer)
    slab = size[-1] if len(size) < 3 else SLAB
    plane = int(np.prod(size[:-1])) * components * kind.itemsize
    for first in range(0, size[-1], slab):
        count = min(slab, size[-1] - first)
        content = stream.read(plane * count)
        if len(content) < plane * count:
            raise EOFError
        shape = [count, *size[-2::-1], *([components] if components > 1 else [])]
        part = sitk.GetImageFromArray(np.frombuffer(content, kind).reshape(shape), isVector=components > 1)
        whole = sitk.Paste(whole, part, part.GetSize(), destinationIndex=[0] * (len(size) - 1) + [first])
    whole.SetSpacing(answer["spacing"])
    whole.SetOrigin(answer["origin"])
    whole.SetDirection(answer["direction"])
    for key, text in answer["metadata"].items():
        whole.SetMetaData(key, text)
    return whole
