"""The process that reads what may crash it: one request a line on the standard input, answers on the standard output.

See `guarded`. It ends with its parent, when the standard input does.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from typing import Any, BinaryIO

sys.modules["numpy"] = None  # type: ignore[assignment]  # SimpleITK does without it, and starts in half the time
import SimpleITK as sitk  # noqa: E402
from SimpleITK.SimpleITK import _GetMemoryViewFromImage  # noqa: E402  # all that its arrays are made of

#: Memory that the process may take, in bytes; where the system can limit it.
MOST_MEMORY = 12 * 2**30


def main() -> None:
    """Answer until there is nobody to ask."""
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what libraries print is no answer
    _limit_memory()
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    for line in requests:
        try:
            _answer(json.loads(line), answers)
        except (RuntimeError, MemoryError, ValueError, OverflowError) as error:
            _tell(answers, {"error": str(error) or type(error).__name__})
        answers.flush()


def _limit_memory() -> None:
    with suppress(ImportError, ValueError, OSError):  # a POSIX thing
        import resource

        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        most = MOST_MEMORY if hard == resource.RLIM_INFINITY else min(MOST_MEMORY, hard)
        resource.setrlimit(resource.RLIMIT_AS, (most, hard))
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def _answer(request: dict[str, Any], answers: BinaryIO) -> None:
    reader = sitk.ImageFileReader()
    reader.SetFileName(request["path"])
    if request.get("io"):
        reader.SetImageIO(request["io"])
    if request["task"] == "header":
        reader.ReadImageInformation()
        _tell(answers, _described(reader, reader.GetNumberOfComponents()))
        return
    if "pixel_type" in request:
        reader.SetOutputPixelType(request["pixel_type"])
    if "extract" in request:
        reader.SetExtractSize(request["extract"])
    image = reader.Execute()
    _tell(answers, _described(image, image.GetNumberOfComponentsPerPixel()))
    answers.write(_GetMemoryViewFromImage(image))


def _described(source: Any, components: int) -> dict[str, Any]:
    return {
        "size": list(source.GetSize()),
        "spacing": list(source.GetSpacing()),
        "origin": list(source.GetOrigin()),
        "direction": list(source.GetDirection()),
        "components": components,
        "pixel_type": source.GetPixelIDValue(),
        "metadata": {key: _printable(source.GetMetaData(key)) for key in source.GetMetaDataKeys()},
    }


def _printable(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")


def _tell(answers: BinaryIO, line: dict[str, Any]) -> None:
    answers.write(json.dumps(line).encode("ascii") + b"\n")


if __name__ == "__main__":
    main()
