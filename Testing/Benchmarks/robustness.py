"""What do changes of a scan cost that other days, other rooms and other hospitals make?

Segments the validation patients of a data set as they are and with one of `made_changes` at a time, through the
segment() that users run, and prints what each change costs: the mean and the worst drop of the Dice with the reference
over the glands (in all, and within what the scan still shows), the glands of which more than 5 % lie outside the skin,
missed and swapped glands, results that are harmed, how many of these have a finding, and how many of the unharmed have
one, rightly or not. Or, with --ct, does so with scans that have no reference: their own contours stand for it.

A result is what became of one patient after one change. It is harmed if one of its glands loses more than 0.1 of its
Dice with the whole reference, of which a part may lie out of the field that is left. A finding on an unharmed result is
right if it says what is so: that a gland is cut (`gland-cut-by-scan`) where part of the reference lies out of the
field, or that a contour runs into material (`material-on-skin`) where more than 5 % of it lies outside the skin. Any
other finding there is a false alarm. What is said after the table leaves out the rows with wrong voxel sizes, in which
a finding is wanted that harm to the Dice does not call for.

    python Testing/Benchmarks/robustness.py [--bundle NAME ...] [--data OPENKBP] [--split validation] [--cases N]
        [--rows PART ...] [--processes 2] [--output RESULTS.csv] [--keep FOLDER] [--ct PATH ...]

--rows takes the rows whose name holds one of these texts; --output writes a line for each gland, --keep the contours.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from pathlib import Path

import numpy as np
import SimpleITK as sitk

ROOT = Path(__file__).resolve().parents[2]
for folder in ("ParotidSeg", "ParotidSegTraining", "Testing/Benchmarks"):
    sys.path.insert(0, str(ROOT / folder))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from made_changes import CHANGES, FULL_RESOLUTION, Site, body_of  # noqa: E402

from ParotidSegLib.errors import ImageError  # noqa: E402
from ParotidSegLib.reading.images import read_image  # noqa: E402
from ParotidSegLib.segmentation import Model, open_model, segment  # noqa: E402
from ParotidSegLib.structures import PAROTIDS, Structure  # noqa: E402
from ParotidSegTrainingLib.data.dataset import DatasetFolder  # noqa: E402

DATA = Path(os.environ.get("PAROTIDSEG_DATA", ROOT.parent / "shared" / "data"))
UNCHANGED = "as it is"
HARM, OUTSIDE = 0.1, 0.05
#: Findings that are right where part of the reference lies out of the field, and where a contour leaves the skin.
CUT, MATERIAL = "gland-cut-by-scan", "material-on-skin"
#: The rows in which findings are wanted that harm to the Dice does not call for.
WRONG_SIZE = "wrong voxels"
#: How often patients are drawn anew for an interval.
DRAWS = 2000
#: Voxels larger by this factor than those of the reference count as the coarser grid, on which contours are compared.
COARSER = 1.2


@dataclass(frozen=True)
class Gland:
    """What became of one gland: Dice before and after, both also within the field that is left; share out of the skin.

    Dice is that with the reference, before and after on the same voxels; `lost` is the share of the reference that lies
    out of the field that is left.
    """

    bundle: str
    case: str
    change: str
    structure: str
    before: float
    after: float
    before_in_field: float
    after_in_field: float
    lost: float
    outside: float
    missed: bool
    swapped: bool
    findings: str

    @property
    def drop(self) -> float:
        """What the change costs of the Dice."""
        return self.before - self.after

    @property
    def drop_in_field(self) -> float:
        """The same within the field that is left."""
        return self.before_in_field - self.after_in_field


@dataclass(frozen=True)
class Result:
    """What became of one patient after one change, which findings there are, and which would be right in any case."""

    case: str
    change: str
    harmed: bool
    codes: frozenset[str]
    right: frozenset[str]

    @property
    def is_false_alarm(self) -> bool:
        """Whether a result that is not harmed has a finding that is not right."""
        return not self.harmed and not self.codes <= self.right


@dataclass(frozen=True)
class Task:
    """One scan, its reference (None: its own contour), and what is done to it."""

    bundle: str
    case: str
    scan: Path
    reference: Path | None
    changes: tuple[str, ...]
    keep: Path | None


@lru_cache(maxsize=2)
def model_of(bundle: str) -> Model:
    """The opened bundle, once in each process."""
    return open_model(bundle)


def site_of(labels: sitk.Image) -> Site:
    """Middles of the two glands of a label map."""
    statistics = sitk.LabelShapeStatisticsImageFilter()
    statistics.Execute(labels)
    right, left = (np.array(statistics.GetCentroid(structure.label)) for structure in PAROTIDS)
    return Site(right, left)


def random_numbers(change: str, case: str) -> np.random.Generator:
    """The same for a change of a case in every run, and for every bundle."""
    return np.random.default_rng([zlib.crc32(change.encode()), zlib.crc32(case.encode())])


def changed_scan(scan: sitk.Image, site: Site, change: str, case: str) -> sitk.Image:
    """The scan after the change of this name."""
    if change == UNCHANGED:
        return scan
    return {**CHANGES, **FULL_RESOLUTION}[change](scan, site, random_numbers(change, case))


def back_in_place(labels: sitk.Image, scan: sitk.Image, change: str) -> sitk.Image:
    """Labels of a changed scan where the patient lay before: one that was turned or scaled has the same voxels."""
    if change.startswith(("turned", WRONG_SIZE)):
        labels = sitk.Image(labels)
        labels.CopyInformation(scan)
    return labels


def segmented(scan: sitk.Image, model: Model) -> tuple[sitk.Image, str]:
    """Labels and the codes of the findings; nothing where the scan is refused."""
    try:
        result = segment(scan, model)
    except ImageError:
        return scan * 0, "refused"
    return result.labels, " ".join(sorted({finding.code for finding in result.findings}))


def on(labels: sitk.Image, grid: sitk.Image) -> np.ndarray:
    """Labels at the voxels of a grid, (z, y, x)."""
    resampled = sitk.Resample(labels, grid, sitk.Transform(), sitk.sitkNearestNeighbor, 0, sitk.sitkUInt8)
    return sitk.GetArrayFromImage(resampled)


def dice(a: np.ndarray, b: np.ndarray) -> float:
    """Dice; NaN if the reference, the first, is empty."""
    return 2.0 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b)) if a.any() else float("nan")


def measured(task: Task) -> list[Gland]:
    """Segment a scan in all the ways of a task."""
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    model = model_of(task.bundle)
    scan = sitk.DICOMOrient(read_image(task.scan), "LPS")
    original, first_findings = segmented(scan, model)
    reference = original
    if task.reference:
        reference = sitk.DICOMOrient(sitk.ReadImage(str(task.reference), sitk.sitkUInt8), "LPS")
    site, body, rows = site_of(reference), body_of(scan), []
    for change in (UNCHANGED, *task.changes):
        changed = changed_scan(scan, site, change, task.case)
        labels, findings = (original, first_findings) if change == UNCHANGED else segmented(changed, model)
        labels = back_in_place(labels, scan, change)
        if task.keep:
            task.keep.mkdir(parents=True, exist_ok=True)
            sitk.WriteImage(labels, str(task.keep / f"{label_file(change, task.case)}.nii.gz"), True)
        rows += compared(task, change, (reference, original, labels), findings, body)
    return rows


def label_file(change: str, case: str) -> str:
    """Name of a file with kept contours, without its suffix."""
    return f"{case}-{zlib.crc32(change.encode()):08x}"


def compared(
    task: Task, change: str, label_maps: tuple[sitk.Image, sitk.Image, sitk.Image], findings: str, body: sitk.Image
) -> Iterator[Gland]:
    """What became of each gland: reference, contours before and after."""
    after_map = label_maps[2]
    volumes = [float(np.prod(labels.GetSpacing())) for labels in (label_maps[0], after_map)]
    grid = after_map if volumes[1] > COARSER * volumes[0] else label_maps[0]
    reference, before, after = (on(labels, grid) for labels in label_maps)
    field = on(sitk.Cast(after_map * 0 + 1, sitk.sitkUInt8), grid) > 0
    drawn, within = sitk.GetArrayViewFromImage(after_map), on(body, after_map) > 0
    for structure in PAROTIDS:
        masks = [labels == structure.label for labels in (reference, before, after)]
        in_field = [mask & field for mask in masks]
        own = drawn == structure.label
        yield Gland(
            task.bundle,
            task.case,
            change,
            structure.key,
            dice(masks[0], masks[1]),
            dice(masks[0], masks[2]),
            dice(in_field[0], in_field[1]),
            dice(in_field[0], in_field[2]),
            1.0 - np.count_nonzero(in_field[0]) / max(1, np.count_nonzero(masks[0])),
            float(np.mean(~within[own])) if own.any() else 0.0,
            bool(in_field[0].any() and not (in_field[0] & masks[2]).any()),
            swapped(structure, reference, after),
            findings,
        )


def swapped(structure: Structure, reference: np.ndarray, drawn: np.ndarray) -> bool:
    """Whether a gland of the reference holds more of the other side's label than of its own."""
    inside = drawn[reference == structure.label]
    other = next(s.label for s in PAROTIDS if s != structure)
    return bool(np.count_nonzero(inside == other) > np.count_nonzero(inside == structure.label))


def results_of(glands: Sequence[Gland]) -> list[Result]:
    """Both glands of a patient after a change, judged together."""
    groups: dict[tuple[str, str], list[Gland]] = {}
    for gland in glands:
        groups.setdefault((gland.case, gland.change), []).append(gland)
    return [
        Result(*key, is_harmed(both), frozenset(both[0].findings.split()), right_findings(both))
        for key, both in groups.items()
    ]


def is_harmed(glands: Sequence[Gland]) -> bool:
    """Whether one of the glands lost more than may be."""
    return bool(max(gland.drop for gland in glands) > HARM)


def right_findings(glands: Sequence[Gland]) -> frozenset[str]:
    """What may be said of these glands whether they are harmed or not, because it is so."""
    so = {CUT: any(gland.lost > 0.0 for gland in glands), MATERIAL: any(gland.outside > OUTSIDE for gland in glands)}
    return frozenset(code for code, is_so in so.items() if is_so)


def table_row(change: str, glands: Sequence[Gland]) -> str:
    """One line of the table."""
    drops = np.array([g.drop for g in glands])
    in_field = np.array([g.drop_in_field for g in glands if np.isfinite(g.drop_in_field)])
    results = results_of(glands)
    harmed, unharmed = ([r for r in results if r.harmed is wanted] for wanted in (True, False))
    cells = [
        change,
        f"{drops.mean():.3f}",
        f"{drops.max():.3f}",
        f"{in_field.mean():.3f}" if in_field.size else "",
        f"{in_field.max():.3f}" if in_field.size else "",
        f"{sum(g.outside > OUTSIDE for g in glands)} of {len(glands)}",
        f"{sum(g.missed for g in glands)}, {sum(g.swapped for g in glands)}",
        f"{len(harmed)} / {sum(bool(r.codes) for r in harmed)}",
        f"{sum(bool(r.codes) for r in unharmed)} of {len(unharmed)}",
        "wanted" if change.startswith(WRONG_SIZE) else f"{sum(r.is_false_alarm for r in unharmed)}",
    ]
    return f"| {' | '.join(cells)} |"


HEADER = (
    "| change | drop of Dice | worst | in the field | worst | > 5 % outside the skin | missed, swapped | "
    "harmed / warned | unharmed with a finding | false alarms |\n|---|---|---|---|---|---|---|---|---|---|"
)


def summary(glands: Sequence[Gland]) -> str:
    """Harmed and unharmed results in all rows but those with wrong voxels; 95 % intervals resample patients."""
    results = [r for r in results_of(glands) if not r.change.startswith(WRONG_SIZE)]
    rng, cases = np.random.default_rng(0), sorted({r.case for r in results})
    weights = rng.multinomial(len(cases), [1.0 / len(cases)] * len(cases), size=DRAWS)

    def share(some: Sequence[Result], counted: Sequence[bool]) -> str:
        if not some:
            return "0 of 0"
        place = np.array([cases.index(r.case) for r in some])
        whole = np.bincount(place, minlength=len(cases)) @ weights.T
        part = np.bincount(place, np.array(counted, float), len(cases)) @ weights.T
        low, high = np.percentile(part[whole > 0] / whole[whole > 0], (2.5, 97.5))
        return f"{sum(counted)} of {len(some)} ({np.mean(counted):.1%}, {low:.0%} to {high:.0%})"

    harmed, unharmed = ([r for r in results if r.harmed is wanted] for wanted in (True, False))
    alarms = [r for r in unharmed if r.is_false_alarm]
    codes = Counter(code for r in alarms for code in r.codes)
    return (
        f"{len(results)} results; harmed, with a finding: {share(harmed, [bool(r.codes) for r in harmed])}; unharmed, "
        f"with a finding: {share(unharmed, [bool(r.codes) for r in unharmed])}, with a false alarm: "
        f"{share(unharmed, [r.is_false_alarm for r in unharmed])}, of {len({r.case for r in alarms})} patients"
        + "".join(f"; {code} {count}" for code, count in codes.most_common())
    )


def tasks_of(options: argparse.Namespace) -> list[Task]:
    """What is to be done: a task for each bundle and scan."""
    known = {**CHANGES, **FULL_RESOLUTION} if options.ct else CHANGES
    wanted = tuple(name for name in known if not options.rows or any(part in name for part in options.rows))
    scans: list[tuple[str, Path, Path | None]] = [(path.name, path, None) for path in options.ct]
    if not scans:
        folder = DatasetFolder.open(options.data)
        names = folder.cases(options.split, options.exclude)[: options.cases]
        scans = [(name, folder.image_paths(name)[0], folder.mask_path(name)) for name in names]
    keep = options.keep
    return [
        Task(bundle, *scan, wanted, keep / Path(bundle).name if keep else None)
        for bundle in options.bundle
        for scan in scans
    ]


def stay_on_core(cores: Sequence[int], count: int) -> None:
    """Give this process its share of the cores: engines start as many threads as they see cores."""
    if hasattr(os, "sched_setaffinity"):
        share = max(1, len(cores) // count)
        first = os.getpid() % count * share
        os.sched_setaffinity(0, cores[first : first + share])


def main() -> int:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--bundle", nargs="+", default=["parotid-ct"])
    arguments.add_argument("--data", type=Path, default=DATA / "openkbp")
    arguments.add_argument("--split", default="validation")
    arguments.add_argument("--exclude", nargs="*", default=["pt_221"], metavar="CASE")
    arguments.add_argument("--cases", type=int, default=None, help="the first so many only")
    arguments.add_argument("--rows", nargs="*", default=[], metavar="PART")
    arguments.add_argument("--processes", type=int, default=2)
    arguments.add_argument("--output", type=Path)
    arguments.add_argument("--keep", type=Path)
    arguments.add_argument("--ct", type=Path, nargs="+", default=[])
    options = arguments.parse_args()
    tasks, glands = tasks_of(options), []
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))
    with ProcessPoolExecutor(options.processes, initializer=stay_on_core, initargs=(cores, options.processes)) as pool:
        for number, rows in enumerate(pool.map(measured, tasks), start=1):
            glands += rows
            print(f"{number} of {len(tasks)} scans", file=sys.stderr, flush=True)
    if options.output:
        with options.output.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, [field.name for field in fields(Gland)])
            writer.writeheader()
            writer.writerows(asdict(gland) for gland in glands)
    for bundle in options.bundle:
        version = model_of(bundle).bundle
        of_bundle = [gland for gland in glands if gland.bundle == bundle]
        patients = len({gland.case for gland in of_bundle})
        print(f"\n{version.name} {version.version}, {patients} scans\n\n{HEADER}")
        for change in dict.fromkeys(gland.change for gland in of_bundle):
            print(table_row(change, [gland for gland in of_bundle if gland.change == change]))
        print(f"\n{summary(of_bundle)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
