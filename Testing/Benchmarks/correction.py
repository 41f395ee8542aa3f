"""How little has to be drawn until a gland is as the user wants it?

A simulated user wants a reference contour, corrects one axial slice after another, and lets the other slices follow:

- which slice: the one with the most wrong voxels (which no user knows), the one that `suggest` names, or evenly spaced;
- with a clean hand (the reference itself), or a careless one (its line wavers by 1 or 1.5 mm, SD, seed 0);
- what follows: nothing (`replace`), the slices between two corrected ones by their signed distances, as in shape-based
  interpolation (`fill`), the kriged residual (`residual`), or that with the network of the bundle (`learned`).

It prints slices until Dice 0.90, Dice by slices, Dice of the slices that were not touched after 4, the length of the
wanted contour that is still missing (added path length, Vaassen et al. 2020, at 0 and 1 voxel), and a step's CPU time.

    python Testing/Benchmarks/correction.py [--data OPENKBP] [--exclude CASE ...] [--contours FOLDER]
        [--readers FOLDER] [--two-readers FOLDER] [--pictures FOLDER] [--first N]
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

ROOT = Path(__file__).resolve().parents[2]
for module in ("ParotidSeg", "ParotidSegTraining"):
    sys.path.insert(0, str(ROOT / module))

from ParotidSegLib import propagate  # noqa: E402
from ParotidSegLib.correcting.expected.carrying import carried_mask  # noqa: E402
from ParotidSegLib.correcting.expected.gland import Gland, Strokes, box_around  # noqa: E402
from ParotidSegLib.correcting.expected.network import network_of  # noqa: E402
from ParotidSegLib.correcting.suggestion import ENOUGH_MM2, worth_of_slices  # noqa: E402
from ParotidSegLib.correcting.view import AXIAL, View  # noqa: E402
from ParotidSegLib.measuring.metrics import dice, summarise  # noqa: E402
from ParotidSegLib.model.bundle import load_bundle  # noqa: E402
from ParotidSegLib.structures import PAROTIDS  # noqa: E402
from ParotidSegTrainingLib.data.dataset import DatasetFolder  # noqa: E402
from ParotidSegTrainingLib.data.masks import MaskFolder, cases_of_both  # noqa: E402
from ParotidSegTrainingLib.training.automatic_contours import AutomaticCase, automatic_contours  # noqa: E402
from ParotidSegTrainingLib.training.simulated_user import (  # noqa: E402
    Task,
    tasks_of,
    wavering,
    without_uncertainty,
    worst_slice,
)

DATA = Path(os.environ.get("PAROTIDSEG_DATA", ROOT.parent / "shared" / "data"))
GOAL = 0.90
#: Figures are shown after so many slices, and at least so many are corrected.
SHOWN = (0, 2, 4, 5)

Method = Callable[[Gland, Strokes], np.ndarray]


def replaced(gland: Gland, strokes: Strokes) -> np.ndarray:
    """The automatic contour with the corrected slices."""
    mask = gland.automatic.copy()
    mask[strokes.slices] = strokes.masks
    return mask


def filled(gland: Gland, strokes: Strokes) -> np.ndarray:
    """That, and the slices between two corrected ones interpolated from these alone (Raya and Udupa 1990)."""
    mask = replaced(gland, strokes)
    distances = strokes.distances(gland)
    for index in range(len(strokes.slices) - 1):
        low, high = strokes.slices[index : index + 2]
        for number in range(low + 1, high):
            share = (number - low) / (high - low)
            mask[number] = (1.0 - share) * distances[index] + share * distances[index + 1] > 0.0
    return mask


@dataclass
class Course:
    """What one gland went through, from no corrected slice on: lists by the number of slices."""

    overlap: list[float]
    missing: list[tuple[float, float]]
    seconds: list[float]
    untouched: float = np.nan
    enough_at: int | None = None

    @property
    def until_goal(self) -> int:
        """Slices until the goal; all of them where a careless hand never gets there."""
        reached = [number for number, value in enumerate(self.overlap) if value >= GOAL]
        return reached[0] if reached else len(self.overlap) - 1

    def after(self, slices: int) -> float:
        """Dice after so many slices."""
        return self.overlap[min(slices, len(self.overlap) - 1)]


#: The next slice (None: none is left), and the largest area that is expected to be wrong in a slice, mm².
Choice = Callable[[Task, np.ndarray, dict[int, np.ndarray]], tuple[int | None, float]]


def choose_worst(task: Task, contour: np.ndarray, drawn: dict[int, np.ndarray]) -> tuple[int | None, float]:
    """The slice with the most wrong voxels."""
    return worst_slice(task.wanted, contour, list(drawn)), np.inf


def choose_suggested(network) -> Choice:
    """The slice that is suggested; the user looks at it and corrects it if it is wrong."""

    def choose(task: Task, contour: np.ndarray, drawn: dict[int, np.ndarray]) -> tuple[int | None, float]:
        strokes = task.strokes(drawn) if drawn else Strokes(np.array([], int), task.wanted[:0])
        worth, wrong = worth_of_slices(task.gland, strokes, network)
        return (int(worth.argmax()) if worth.any() else None), float(wrong.max())

    return choose


def even_slices(task: Task, count: int) -> list[int]:
    """So many evenly spaced slices of what the user wants or the model drew."""
    rows = np.flatnonzero((task.wanted | task.gland.automatic).any(axis=(1, 2)))
    return sorted({round(place) for place in np.linspace(rows[0], rows[-1], count + 2)[1:-1].tolist()})


def course_of(task: Task, method: Method, choice: Choice | None, wavers_mm: float = 0.0) -> Course:
    """Correct a gland until the goal, and at least `SHOWN[-1]` slices; without a choice they are evenly spaced."""
    gland, contour, drawn = task.gland, task.gland.automatic, {}
    course = Course([dice(contour, task.wanted)], [missing_mm(task, contour)], [])
    most = len(contour)
    generator = np.random.default_rng(0)

    def draw(number: int) -> np.ndarray:
        wanted = task.wanted[number]
        return wavering(wanted, gland.spacing, generator, wavers_mm) if wavers_mm else wanted

    while len(course.overlap) <= SHOWN[-1] or (course.overlap[-1] < GOAL and len(drawn) < most):
        if choice is None:
            numbers = even_slices(task, len(course.overlap))
            most = int((task.wanted | gland.automatic).any(axis=(1, 2)).sum())
            drawn = {number: drawn.get(number) if number in drawn else draw(number) for number in numbers}
        else:
            number, most_mm2 = choice(task, contour, drawn)
            if most_mm2 <= ENOUGH_MM2 and course.enough_at is None:
                course.enough_at = len(drawn)
            if number is None:
                break
            drawn[number] = draw(number)
        started = time.process_time()
        contour = method(gland, task.strokes(drawn))
        course.seconds.append(time.process_time() - started)
        course.overlap.append(dice(contour, task.wanted))
        course.missing.append(missing_mm(task, contour))
        if len(course.overlap) == 5:
            rest = ~np.isin(np.arange(len(contour)), list(drawn))
            course.untouched = dice(contour[rest], task.wanted[rest])
    return course


def missing_mm(task: Task, contour: np.ndarray) -> tuple[float, float]:
    """Length of the wanted contour that is not within 0 and 1 pixels of the present one, mm, over all slices."""
    edges = [mask & ~eroded(mask) for mask in (task.wanted, contour)]
    pixel = float(np.sqrt(task.gland.spacing[1] * task.gland.spacing[2]))
    return tuple(pixel * np.count_nonzero(edges[0] & ~near) for near in (edges[1], widened(edges[1])))


def eroded(mask: np.ndarray) -> np.ndarray:
    """Without the pixels that touch the outside by an edge, slice by slice."""
    padded = np.pad(mask, ((0, 0), (1, 1), (1, 1)))
    return mask & padded[:, 2:, 1:-1] & padded[:, :-2, 1:-1] & padded[:, 1:-1, 2:] & padded[:, 1:-1, :-2]


def widened(mask: np.ndarray) -> np.ndarray:
    """With the eight neighbours of each pixel, slice by slice."""
    padded = np.pad(mask, ((0, 0), (1, 1), (1, 1)))
    height, width = mask.shape[1:]
    return np.any([padded[:, y : y + height, x : x + width] for y in range(3) for x in range(3)], axis=0)


def show(name: str, courses: Sequence[Course]) -> None:
    """A row of the table."""
    until = summarise([float(course.until_goal) for course in courses])
    untouched = summarise([course.untouched for course in courses])
    missing = np.array([[course.missing[min(n, len(course.missing) - 1)] for n in (0, 4)] for course in courses])
    at_first, then = missing.mean(axis=0)
    cells = (
        name,
        " / ".join(f"{np.mean([course.after(n) for course in courses]):.3f}" for n in SHOWN),
        f"**{until.mean:.2f}** ± {until.sd:.2f} ({until.ci95_low:.2f} to {until.ci95_high:.2f})",
        f"{untouched.mean:.3f} ({untouched.ci95_low:.3f} to {untouched.ci95_high:.3f})",
        f"{at_first[0]:.0f} → {then[0]:.0f}",
        f"{at_first[1]:.0f} → {then[1]:.0f}",
        f"{1000 * np.median([second for course in courses for second in course.seconds]):.0f}",
    )
    print("|", " | ".join(cells), "|", flush=True)


def head(title: str, tasks: Sequence[Task]) -> None:
    """The head of a table."""
    print(f"\n{title}, {len(tasks)} glands\n")
    print(
        "| what follows; which slice | Dice after 0 / 2 / 4 / 5 slices | slices until 0.90, mean ± SD (95 % CI) | "
        "untouched slices after 4 | missing contour, mm, after 0 → 4 | the same beyond 1 voxel | CPU ms a step |"
    )
    print("|---|---|---|---|---|---|---|")


def validation(tasks: Sequence[Task], network) -> None:
    """All methods, choices and hands."""
    learned = with_network(network)
    for name, method in (("replace", replaced), ("fill", filled), ("residual", carried_mask), ("learned", learned)):
        judge = network if name == "learned" else None
        show(f"{name}; worst", [course_of(task, method, choose_worst) for task in tasks])
        if name in ("residual", "learned"):
            suggested = [course_of(task, method, choose_suggested(judge)) for task in tasks]
            show(f"{name}; suggested", suggested)
            if judge is not None:
                stops = [c for c in suggested if c.enough_at is not None]
        show(f"{name}; even", [course_of(task, method, None) for task in tasks])
    blind = [without_uncertainty(task) for task in tasks]
    for name, method in (("residual", carried_mask), ("learned", learned)):
        show(f"{name}, no uncertainty; worst", [course_of(task, method, choose_worst) for task in blind])
        for wavers in (1.0, 1.5):
            careless = [course_of(task, method, choose_worst, wavers) for task in tasks]
            show(f"{name}, hand wavers by {wavers} mm; worst", careless)
    careless = [course_of(task, learned, choose_suggested(network), 1.0) for task in tasks]
    show("learned, hand wavers by 1.0 mm; suggested", careless)
    slices, reached = (
        summarise(values)
        for values in (
            [float(course.enough_at) for course in stops],
            [course.after(course.enough_at) for course in stops],
        )
    )
    print(
        f"\nIn {len(stops)} of {len(tasks)} glands no slice was expected to have more than {ENOUGH_MM2:.0f} mm² wrong "
        f"before Dice {GOAL:.2f} or the fifth suggested slice: after {slices.mean:.1f}, with Dice {reached.mean:.3f} ± "
        f"{reached.sd:.3f}."
    )


def with_network(network) -> Method:
    """The learned way."""
    return lambda gland, strokes: carried_mask(gland, strokes, network)


def of_readers(tasks: Sequence[Task], network) -> None:
    """The methods that count, for few glands."""
    for name, method, judge in (
        ("replace", replaced, None),
        ("residual", carried_mask, None),
        ("learned", with_network(network), network),
    ):
        show(f"{name}; worst", [course_of(task, method, choose_worst) for task in tasks])
        if name != "replace":
            show(f"{name}; suggested", [course_of(task, method, choose_suggested(judge)) for task in tasks])


def show_speed(case: AutomaticCase, wanted: sitk.Image, network) -> None:
    """CPU time of a step for one gland in a scan of 512 x 512 x 200 voxels; the least of three tries."""
    size, spacing = (512, 512, 200), (1.0, 1.0, 1.25)
    centre = [(edge - 1) / 2.0 for edge in case.image.GetSize()]
    middle = np.array(case.image.TransformContinuousIndexToPhysicalPoint(centre))
    origin = (middle - (np.array(size) - 1) / 2.0 * spacing).tolist()

    def large(image: sitk.Image, outside: float) -> sitk.Image:
        grid = (origin, spacing, case.image.GetDirection(), outside)
        return sitk.Resample(image, size, sitk.Transform(), sitk.sitkNearestNeighbor, *grid)

    scan, automatic, unsure = large(case.image, -1024), large(case.labels, 0), large(case.uncertainty, 0)
    labels, reference = sitk.GetArrayFromImage(automatic), sitk.GetArrayFromImage(large(wanted, 0))
    number = int(np.count_nonzero((labels == 1) ^ (reference == 1), axis=(1, 2)).argmax())
    labels[number] = np.where(labels[number] == 1, 0, labels[number])
    labels[number][reference[number] == 1] = 1
    corrected = sitk.GetImageFromArray(labels)
    corrected.CopyInformation(automatic)
    print("\n| 512 x 512 x 200 voxels, one gland | CPU seconds a step |\n|---|---|")
    for name, helper in (("residual", None), ("learned", network)):
        seconds = []
        for _ in range(3):
            started = time.process_time()
            propagate(scan, automatic, corrected, uncertainty=unsure, network=helper)
            seconds.append(time.process_time() - started)
        print(f"| {name} | {min(seconds):.2f} |")


def reader_tasks(one: MaskFolder, other: MaskFolder) -> Iterable[Task]:
    """One reader's contours, to be corrected into the other's, without a CT: on the voxels that they drew on."""
    for case in cases_of_both(one, other):
        first, second = one.read(case), other.read(case)
        view = View.of(first, AXIAL)
        automatic, wanted = (view(sitk.GetArrayFromImage(labels)) for labels in (first, second))
        for structure in PAROTIDS:
            masks = automatic == structure.label, wanted == structure.label
            if all(mask.any() for mask in masks):
                box = box_around(masks, view.spacing)
                nothing = np.zeros(masks[0][box].shape, np.float32)
                yield Task(Gland(nothing, masks[0][box], None, view.spacing), masks[1][box])


def main() -> int:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--data", type=Path, default=DATA / "openkbp")
    arguments.add_argument("--exclude", nargs="*", default=["pt_221"], metavar="CASE")
    arguments.add_argument("--contours", type=Path, default=ROOT / "out" / "automatic", help="keeps automatic contours")
    arguments.add_argument("--readers", type=Path, default=DATA / "openkbp_readers")
    arguments.add_argument("--two-readers", type=Path, default=DATA / "two_readers")
    arguments.add_argument("--bundle", default="parotid-ct")
    arguments.add_argument("--first", type=int, help="the first patients only")
    arguments.add_argument("--pictures", type=Path, help="folder for pictures of three glands")
    options = arguments.parse_args()
    network = network_of(load_bundle(options.bundle))
    data = DatasetFolder.open(options.data)
    cases = automatic_contours(
        data, data.cases("validation", options.exclude)[: options.first], options.contours, bundle=options.bundle
    )
    tasks = [task for case in cases for task in tasks_of(case, data.read_mask(case.name))]
    if options.pictures:
        from correction_pictures import draw_three

        draw_three(tasks, network, options.pictures)
        return 0
    show_speed(cases[0], data.read_mask(cases[0].name), network)
    head("Validation patients, clinical contours", tasks)
    validation(tasks, network)
    for reader in ("oncologist", "radiographer"):
        folder = MaskFolder.open(options.readers / reader)
        drawn = [task for case in cases if case.name in folder.files for task in tasks_of(case, folder.read(case.name))]
        if drawn:
            head(f"Validation patients, as the {reader} drew them", drawn)
            of_readers(drawn, network)
    pair = [MaskFolder.open(options.two_readers / reader) for reader in ("radiographer", "oncologist")]
    drawn = list(reader_tasks(*pair))
    head("The radiographer's contours made into the oncologist's, voxels of about 1 x 1 x 2.5 mm, without a CT", drawn)
    for name, method in (("replace", replaced), ("fill", filled), ("residual", carried_mask)):
        show(f"{name}; worst", [course_of(task, method, choose_worst) for task in drawn])
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
