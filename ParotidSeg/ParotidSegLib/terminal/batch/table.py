"""The table of a batch: a row a scan and structure, with volumes and findings; nothing in it names a patient."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...files.atomic import atomic_path
from ...structures import Structure

TABLE = "results.csv"
COLUMNS = (
    "scan",
    "status",
    "structure",
    "volume_ml",
    "mean_hu",
    "x_mm",
    "y_mm",
    "z_mm",
    "findings",
    "message",
    "seconds",
    "bundle",
    "engine",
)
DONE, FAILED, OPEN = "done", "failed", "open"


def rows_of_report(number: str, report: Mapping[str, Any], structures: Sequence[Structure]) -> list[dict[str, Any]]:
    """The rows of a scan that is done.

    Args:
        number: of the scan.
        report: see `segmentation.Segmentation.report`.
        structures: what was looked for; one that was not found has an empty volume.
    """
    bundle = report["provenance"]["bundle"]
    rows = []
    for structure in structures:
        found = report["structures"].get(structure.key, {})
        findings = [f for f in report["findings"] if f["structure"] in (structure.key, None)]
        x, y, z = found.get("centroid", ("", "", ""))
        rows.append(
            {
                "scan": number,
                "status": DONE,
                "structure": structure.key,
                "volume_ml": _rounded(found.get("volume_ml"), 3),
                "mean_hu": _rounded(found.get("mean_hu"), 2),
                "x_mm": _rounded(x, 1),
                "y_mm": _rounded(y, 1),
                "z_mm": _rounded(z, 1),
                "findings": "; ".join(f["code"] for f in findings),
                "message": " ".join(f["message"] for f in findings),
                "seconds": _rounded(sum(report["timings_s"].values()), 1),
                "bundle": f"{bundle['name']} {bundle['version']}",
                "engine": report["provenance"]["engine"],
            }
        )
    return rows


def row_without_result(number: str, status: str, message: str = "") -> dict[str, Any]:
    """The row of a scan that failed or has not had its turn."""
    return {"scan": number, "status": status, "message": message}


class Table:
    """The rows of all scans, in their order, as text: those of ten thousand scans are to be kept and written."""

    def __init__(self, numbers: Sequence[str], path: Path) -> None:
        """All scans have not had their turn yet.

        Args:
            numbers: of the scans.
            path: of the file.
        """
        self._path = path
        self._texts = {number: _text([row_without_result(number, OPEN)]) for number in numbers}

    def put(self, number: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """What is known of a scan now."""
        self._texts[number] = _text(rows)

    def write(self) -> None:
        """Write the file, whole.

        Raises:
            OutputError: it cannot be written.
        """
        with atomic_path(self._path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerow(COLUMNS)
            file.writelines(self._texts.values())


def _text(rows: Sequence[Mapping[str, Any]]) -> str:
    lines = io.StringIO(newline="")
    csv.DictWriter(lines, COLUMNS, restval="").writerows(rows)
    return lines.getvalue()


def _rounded(value: Any, digits: int) -> Any:
    return round(value, digits) if isinstance(value, int | float) else ""
