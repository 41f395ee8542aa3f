"""The report of the last run, kept with the segmentation, and what the review shows of it. No Qt."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from slicer.i18n import tr as _

from ...files.json_text import parse_json
from ..installing.engine_packages import PACKAGE_SETS

#: Attribute of the segmentation node that holds the report of the last run, so that it is saved with the scene.
REPORT = "ParotidSeg.report"


@dataclass(frozen=True)
class ShownFinding:
    """A finding of the last run, with the place to look at (R, A, S in mm, in the world) if there is one."""

    severity: str
    message: str
    structure: str | None
    point: tuple[float, float, float] | None


def keep_report(segmentation: Any, report: Mapping[str, Any]) -> None:
    """Keep the report of a run with the segmentation."""
    segmentation.SetAttribute(REPORT, json.dumps(report))


def report_of(segmentation: Any) -> dict[str, Any]:
    """The report of the last run; empty if there is none that can be read."""
    try:
        report = parse_json(segmentation.GetAttribute(REPORT) or "{}")
    except ValueError:
        return {}
    return report if isinstance(report, dict) else {}


def findings_of(report: Mapping[str, Any]) -> list[ShownFinding]:
    """The findings of a report, errors first."""
    return [
        ShownFinding(entry["severity"], entry["message"], entry.get("structure"), _to_ras(entry.get("point")))
        for entry in report.get("findings", ())
    ]


def provenance_of(report: Mapping[str, Any]) -> str:
    """One sentence: which model and engine drew the contours, and how long that took; empty for an empty report."""
    origin = report.get("provenance")
    if not origin:
        return ""
    text = _("Drawn by {model} {version} with {engine} in {seconds} s.")
    return text.format(
        model=origin["bundle"]["name"],
        version=origin["bundle"]["version"],
        engine=PACKAGE_SETS[origin["engine"]].title if origin["engine"] in PACKAGE_SETS else origin["engine"],
        seconds=max(1, round(sum(report.get("timings_s", {}).values()))),
    )


def _to_ras(point: Sequence[float] | None) -> tuple[float, float, float] | None:
    """A point of a report (LPS, mm) in the scene's space."""
    return None if point is None else (-point[0], -point[1], point[2])
