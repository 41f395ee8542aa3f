"""Does it matter in how many pieces a network is given a region?

Segments the validation patients of a data set as a user gets it (the segmenter's region in one piece, the locator's in
tiles that may be a little longer than it learned from), and with the same weights in tiles of the learned size. Prints
how alike the contours are and, paired by patient, how the Dice with the reference differs, with its 95 % interval;
--rows does the same after some of `made_changes`.

    python Testing/Benchmarks/pieces.py [--bundle NAME] [--data OPENKBP] [--exclude CASE ...] [--cases N]
        [--rows PART ...] [--processes 2]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from robustness import CHANGES, DATA, UNCHANGED, changed_scan, dice, model_of, on, segmented, site_of

from ParotidSegLib.measuring.metrics import summarise
from ParotidSegLib.model.engines import Engine
from ParotidSegLib.reading.images import read_image
from ParotidSegLib.segmentation import Model
from ParotidSegLib.structures import PAROTIDS
from ParotidSegTrainingLib.data.dataset import DatasetFolder


class InTiles:
    """An engine that takes its tile alone, whatever its network could take."""

    def __init__(self, engine: Engine) -> None:
        self.name, self.probabilities, self.at_once, self.step = engine.name, engine.probabilities, engine.at_once, None


@dataclass(frozen=True)
class Pair:
    """One patient after one change: Dice of both glands, mean, with the reference and between the two ways."""

    case: str
    change: str
    as_given: float
    in_tiles: float
    alike: float


def in_tiles(model: Model) -> Model:
    """The model with both networks in tiles of the learned size."""
    return replace(model, segmenter=InTiles(model.segmenter), locator=model.locator and InTiles(model.locator))


def pairs_of(case: str, data: Path, bundle: str, changes: tuple[str, ...]) -> list[Pair]:
    """Segment one patient both ways, as it is and after each change."""
    folder, model = DatasetFolder.open(data), model_of(bundle)
    scan = sitk.DICOMOrient(read_image(folder.image_paths(case)[0]), "LPS")
    mask = sitk.DICOMOrient(sitk.ReadImage(str(folder.mask_path(case)), sitk.sitkUInt8), "LPS")
    site, reference = site_of(mask), on(mask, mask)

    def pairs() -> Iterator[Pair]:
        for change in (UNCHANGED, *changes):
            changed = changed_scan(scan, site, change, case)
            given, tiled = (on(segmented(changed, m)[0], mask) for m in (model, in_tiles(model)))
            alike = 1.0 if np.array_equal(given, tiled) else mean_dice(given, tiled)
            yield Pair(case, change, mean_dice(reference, given), mean_dice(reference, tiled), alike)

    return list(pairs())


def mean_dice(a: np.ndarray, b: np.ndarray) -> float:
    """Of both glands."""
    return float(np.mean([dice(a == structure.label, b == structure.label) for structure in PAROTIDS]))


def row(change: str, pairs: list[Pair]) -> str:
    """One line of the table."""
    alike = np.array([pair.alike for pair in pairs])
    paired = summarise([pair.as_given - pair.in_tiles for pair in pairs])
    cells = (
        change,
        f"{np.count_nonzero(alike == 1.0)} of {len(pairs)}",
        f"{alike.min():.3f}",
        f"{np.mean([pair.as_given for pair in pairs]):.3f}",
        f"{np.mean([pair.in_tiles for pair in pairs]):.3f}",
        f"{paired.mean:+.4f} ({paired.ci95_low:+.4f} to {paired.ci95_high:+.4f})",
    )
    return f"| {' | '.join(cells)} |"


def main() -> int:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--bundle", default="parotid-ct")
    arguments.add_argument("--data", type=Path, default=DATA / "openkbp")
    arguments.add_argument("--exclude", nargs="*", default=["pt_221"], metavar="CASE")
    arguments.add_argument("--cases", type=int, default=None, help="the first so many only")
    arguments.add_argument("--rows", nargs="*", default=[], metavar="PART")
    arguments.add_argument("--processes", type=int, default=2)
    options = arguments.parse_args()
    cases = DatasetFolder.open(options.data).cases("validation", options.exclude)[: options.cases]
    changes = tuple(name for name in CHANGES if any(part in name for part in options.rows))
    task = partial(pairs_of, data=options.data, bundle=options.bundle, changes=changes)
    pairs: list[Pair] = []
    with ProcessPoolExecutor(options.processes) as pool:
        for number, some in enumerate(pool.map(task, cases), start=1):
            pairs += some
            print(f"{number} of {len(cases)} scans", file=sys.stderr, flush=True)
    print("| change | the same voxels | least Dice between them | Dice | in tiles | difference (95 % CI) |")
    print("|---|---|---|---|---|---|")
    for change in (UNCHANGED, *changes):
        print(row(change, [pair for pair in pairs if pair.change == change]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
