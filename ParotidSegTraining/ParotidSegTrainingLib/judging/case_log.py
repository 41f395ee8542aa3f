"""Scores of an evaluation that is under way, a line a case: a run that was killed goes on where it stopped.

The file has a line with the settings of the run, and one for each scored case. A line that a kill cut short does not
count. Settings other than those of the run at hand (another model, other options) make the file start anew, and a case
whose files have changed is scored again. When all is done, the file goes.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ParotidSegLib.errors import OutputError
from ParotidSegLib.files.atomic import atomic_path
from ParotidSegLib.files.json_text import parse_json
from ParotidSegLib.measuring.metrics import StructureScores

from .dose_agreement import MeanDoses
from .results import CaseScores


@dataclass
class CaseLog:
    """The log of one evaluation.

    Attributes:
        path: its file.
        settings: what decides the scores besides the files of a case, ready for JSON.
        known: case -> (fingerprint of its files, its scores).
        is_begun: whether this object has written the file.
    """

    path: Path
    settings: Mapping[str, Any]
    known: dict[str, tuple[str, CaseScores]]
    is_begun: bool = False

    @classmethod
    def open(cls, path: Path, settings: Mapping[str, Any]) -> CaseLog:
        """Read the log of an interrupted run with these settings; an empty one if there is none. Nothing is written."""
        log = cls(path, json.loads(json.dumps(settings)), {})
        lines = _complete_lines(path)
        if lines and lines[0] == {"settings": log.settings}:
            log.known = {row.case: (files, row) for files, row in map(_read_line, lines[1:])}
        return log

    def recall(self, case: str, files: str) -> CaseScores | None:
        """The scores of a case, if it was scored with files of this fingerprint."""
        fingerprint, row = self.known.get(case, ("", None))
        return row if fingerprint == files else None

    def add(self, row: CaseScores, files: str) -> None:
        """Write the scores of a case, safe against a kill or a power cut that follows.

        Raises:
            OutputError: the file cannot be written.
        """
        self.known[row.case] = (files, row)
        if not self.is_begun:
            # Written anew, so that what is appended never follows half a line or other settings.
            lines = [{"settings": self.settings}, *(_line(files, row) for files, row in self.known.values())]
            with atomic_path(self.path) as temporary:
                temporary.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
            self.is_begun = True
            return
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(f"{json.dumps(_line(files, row))}\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise OutputError(f"{self.path} cannot be written: {error.strerror or error}.") from error


def fingerprint(files: Sequence[Path]) -> str:
    """SHA-256 over the contents of the files, in order; a file that is missing or cannot be read counts as empty."""
    digest = hashlib.sha256()
    for path in files:
        content = b""
        with suppress(OSError):
            content = path.read_bytes()
        digest.update(len(content).to_bytes(8, "big") + content)
    return digest.hexdigest()


def _complete_lines(path: Path) -> list[dict[str, Any]]:
    """The lines before one that is cut short; no other line is ever incomplete."""
    lines: list[dict[str, Any]] = []
    with suppress(OSError, ValueError):
        for text in path.read_text(encoding="utf-8").splitlines():
            lines.append(parse_json(text))
    return lines


def _line(files: str, row: CaseScores) -> dict[str, Any]:
    data = asdict(row)
    for scores in data["scores"].values():
        scores["nsd"] = list(scores["nsd"].items())  # JSON has no numbers as keys
    return {"files": files, "scores": data}


def _read_line(line: Mapping[str, Any]) -> tuple[str, CaseScores]:
    data = line["scores"]
    scores = {key: StructureScores(**{**values, "nsd": dict(values["nsd"])}) for key, values in data["scores"].items()}
    doses = {key: MeanDoses(**values) for key, values in data["doses"].items()}
    return line["files"], CaseScores(**{**data, "scores": scores, "findings": tuple(data["findings"]), "doses": doses})
