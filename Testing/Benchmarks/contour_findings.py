"""Are errors of contours found? Made errors, judged by cross-validation over patients; writes the library's judgement.

Takes clinical contours, two readers' and the models' own (`contour_cases.py`), makes one error of each kind
(`made_errors.py`), measures all of them as the library does, fits its judgement (`contour_fitting.py`) and prints: the
area under the ROC curve for each kind of error that costs more than 0.1 of the Dice, how many of these are found, how
many untouched contours have a finding, and whether the places are the right ones, with an automatic contour of a model
that has not seen the patient and without. Intervals resample patients.

    python Testing/Benchmarks/contour_findings.py --kept FOLDER [--data SHARED_DATA] [--processes 2] [--write]
        [--places PATIENTS]

FOLDER keeps automatic contours and measures (an hour of one core); --write puts the judgement into the library.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk

ROOT = Path(__file__).resolve().parents[2]
for module in ("ParotidSeg", "ParotidSegTraining"):
    sys.path.insert(0, str(ROOT / module))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from contour_cases import BOLUS_ONLY, BUNDLES, UNTOUCHED, Measured, all_measured, error_of, read_pair, tasks  # noqa: E402
from contour_fitting import (  # noqa: E402
    FOLDS,
    KIND_OF,
    auc,
    cross_validated,
    fitted,
    folds_of,
    interval,
    is_right,
    limit_of,
)
from made_errors import HARMLESS, applied  # noqa: E402

from ParotidSegLib.doubting.drawn import Drawn, Scan  # noqa: E402
from ParotidSegLib.doubting.findings import counted_errors  # noqa: E402
from ParotidSegLib.doubting.judgement import FILE, Judgement  # noqa: E402
from ParotidSegLib.doubting.places import SURE, doubtful_places, place_to_look  # noqa: E402
from ParotidSegLib.structures import PAROTIDS  # noqa: E402

DATA = Path(os.environ.get("PAROTIDSEG_DATA", ROOT.parent / "shared" / "data"))
#: Errors that cost more of the Dice than this are to be found.
LEAST_CHANGE = 0.1
#: So many of the untouched may be flagged, of people's and of models'.
SHARE = 0.04


@dataclass(frozen=True)
class Judged:
    """Contours with their cross-validated scores and kinds, and the limit that the other folds would set for each."""

    rows: Sequence[Measured]
    scores: np.ndarray
    kinds: Sequence[str]
    limits: np.ndarray
    limit: float

    @classmethod
    def of(cls, rows: Sequence[Measured], scores: np.ndarray, kinds: Sequence[str]) -> Judged:
        """Set the limits by the untouched contours, of people and of models alike."""
        folds, untouched = folds_of(rows), np.array([row.kind == UNTOUCHED for row in rows])
        models = np.array([row.source.startswith("automatic") for row in rows])

        def limit(some: np.ndarray) -> float:
            groups = [scores[some & untouched & which] for which in (models, ~models)]
            return max(limit_of(group, SHARE) for group in groups if len(group))

        limits = np.array([limit(folds != fold) for fold in range(FOLDS)])
        return cls(rows, scores, kinds, limits[folds], limit(np.ones(len(rows), bool)))

    @property
    def flagged(self) -> np.ndarray:
        """Which contours have a finding."""
        counted = np.array([bool(counted_errors(row.measures)) for row in self.rows])
        return counted | (self.scores >= self.limits)

    def which(self, *kinds: str, source: str = "") -> np.ndarray:
        """Which rows are of these kinds and of a source; of errors only those that cost enough."""

        def of_source(row: Measured) -> bool:
            return source in ("", row.source, row.source.split()[0])

        return np.array(
            [row.kind in kinds and of_source(row) and (is_right(row) or row.change > LEAST_CHANGE) for row in self.rows]
        )

    def patients(self, which: np.ndarray) -> list[str]:
        """Of these rows."""
        return [row.patient for row, wanted in zip(self.rows, which, strict=True) if wanted]

    def area(self, wrong: np.ndarray) -> str:
        """The area under the curve of these against people's untouched contours, with its interval."""
        right = self.which(UNTOUCHED) & ~self.which(UNTOUCHED, source="automatic")
        groups = self.scores[right], self.scores[wrong]
        low, high = interval(auc, *groups, (self.patients(right), self.patients(wrong)))
        return f"{auc(*groups):.3f} ({low:.3f} to {high:.3f})"

    def share(self, which: np.ndarray) -> str:
        """How many of these have a finding."""
        return f"{np.count_nonzero(self.flagged & which)} of {np.count_nonzero(which)}"


def show(judged: Judged) -> None:
    """The tables."""
    print(f"{len({row.patient for row in judged.rows})} patients\n")
    print("| error | contours | area under the curve (95 % CI) | found | named so |")
    print("|---|---|---|---|---|")
    named = np.array([KIND_OF.get(row.kind) == kind for row, kind in zip(judged.rows, judged.kinds, strict=True)])
    everything = judged.which(*KIND_OF)
    for kind in (*KIND_OF, ""):
        wrong = judged.which(kind) if kind else everything
        if wrong.any():
            found = wrong & judged.flagged
            right_name = f"{np.count_nonzero(named & found)} of {np.count_nonzero(found)}"
            cells = [kind or "**all**", str(wrong.sum()), judged.area(wrong), judged.share(wrong), right_name]
            print(f"| {' | '.join(cells)} |")
    print("\n| no error | with a finding |\n|---|---|")
    for source in ("train", "validation", "oncologist", "radiographer", *(f"automatic {name}" for name in BUNDLES)):
        untouched = judged.which(UNTOUCHED, source=source)
        if untouched.any():
            print(f"| {source} | {judged.share(untouched)} |")
    for kind in (BOLUS_ONLY, *HARMLESS):
        print(f"| {kind} | {judged.share(judged.which(kind))} |")


def write(judgement: Judgement, rows: Sequence[Measured]) -> None:
    """Put the judgement into the library, with where it came from."""
    provenance = {
        "by": "Testing/Benchmarks/contour_findings.py",
        "data": "OpenKBP (Babier et al., Medical Physics 48, 2021), clinical contours, and contours of two readers "
        "of 13 of its patients (Nikolov et al., arXiv 1809.04430, CC BY 4.0)",
        "patients": len({row.patient for row in rows}),
        "contours": {"right": sum(map(is_right, rows)), "with a made error": sum(not is_right(row) for row in rows)},
    }
    text = json.dumps({"provenance": provenance, "judgement": judgement.to_data()}, indent=1)
    # A list of numbers on one line: with one a line, nobody could read the file.
    text = re.sub(r"\[[^\[\]]*\]", lambda found: " ".join(found[0].split()), text)
    FILE.write_text(text + "\n", encoding="utf-8")


def show_places(options: argparse.Namespace, judged: Judged, *, automatic: bool) -> None:
    """Whether what is marked is what was changed: of the errors that cost enough and have a finding."""
    kinds = {
        (r.patient, r.kind, r.label): k for r, k, f in zip(judged.rows, judged.kinds, judged.flagged, strict=True) if f
    }
    figures: dict[str, list[tuple[float, float, float]]] = {}
    for task in [task for task in tasks(options.data, options.kept) if task.source == "validation"][: options.places]:
        image, labels, theirs = read_pair(task)
        for kind in KIND_OF:
            label = 1 + len(figures.get(kind, ())) % 2
            judged_as = kinds.get((task.patient, kind, label))
            changed_image, changed = applied(error_of(task, kind, label), image, labels)
            scan = Scan.about(changed_image, changed, labels)
            structure, masks = PAROTIDS[label - 1], scan.label_arrays(changed)
            before = scan.label_arrays(labels)[structure.key]
            wrong, mask = before ^ masks[structure.key], masks[structure.key]
            change = 1.0 - 2.0 * np.count_nonzero(before & mask) / (before.sum() + mask.sum())
            if judged_as is None or change <= LEAST_CHANGE:
                continue
            gland = Drawn.of(scan, structure, masks, scan.label_arrays(theirs) if automatic and theirs else None)
            doubt = gland.as_scan(doubtful_places(gland, judged_as))
            figures.setdefault(kind, []).append(_overlap(doubt, wrong, scan.spacing))
    print("\nbeside an automatic contour" if automatic else "\nby the contour alone")
    print("\n| error | contours | recall | precision | point within |\n|---|---|---|---|---|")
    everything = [one for some in figures.values() for one in some]
    for kind, some in (*figures.items(), ("**all**", everything)):
        recall, precision, within = (np.nanmean([one[i] for one in some]) for i in range(3))
        print(f"| {kind} | {len(some)} | {recall:.2f} | {precision:.2f} | {within:.2f} |")


def _overlap(doubt: np.ndarray, wrong: np.ndarray, spacing: np.ndarray) -> tuple[float, float, float]:
    """Share of the wrong that is marked; of the marked that is wrong, give or take a voxel; whether the point is so."""
    marked, point = doubt >= SURE, place_to_look(doubt, spacing)
    near = sitk.GetArrayFromImage(sitk.BinaryDilate(sitk.GetImageFromArray(wrong.astype(np.uint8)), [1, 1, 1])) > 0
    precision = float((near & marked).sum() / marked.sum()) if marked.any() else float("nan")
    return float((wrong & marked).sum() / wrong.sum()), precision, float(point is not None and near[tuple(point)])


def main() -> int:
    """Measure, judge, print."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--kept", type=Path, required=True)
    arguments.add_argument("--data", type=Path, default=DATA)
    arguments.add_argument("--processes", type=int, default=2)
    arguments.add_argument("--write", action="store_true")
    arguments.add_argument("--places", type=int, default=0, metavar="PATIENTS")
    options = arguments.parse_args()
    rows = list(all_measured(options.data, options.kept, options.kept / "measures", options.processes))
    names = list(rows[0].measures)
    judged = Judged.of(rows, *cross_validated(rows, names))
    show(judged)
    for automatic in (False, True) if options.places else ():
        show_places(options, judged, automatic=automatic)
    if options.write:
        write(replace(fitted(rows, names), limit=judged.limit), rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
