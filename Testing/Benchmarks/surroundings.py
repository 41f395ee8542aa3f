"""What things outside the body look like in training patches, and what they cost.

Draws patches of some training patients with bolus, devices and edges of the field, writes them as a picture, and
measures how much longer a patch takes with them than without, in turns in one run.

    python Testing/Benchmarks/surroundings.py PICTURE.png [--data DATA] [--recipe NAME] [--cases 6] [--rounds 5]
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
for module in ("ParotidSeg", "ParotidSegTraining"):
    sys.path.insert(0, str(ROOT / module))

from ParotidSegLib.writing.pages.plots import new_plot  # noqa: E402
from ParotidSegTrainingLib import recipe as recipes  # noqa: E402
from ParotidSegTrainingLib.data.dataset import Case, DatasetFolder, load_case  # noqa: E402
from ParotidSegTrainingLib.recipe import Recipe  # noqa: E402
from ParotidSegTrainingLib.training.augmentation import Parameters, draw  # noqa: E402
from ParotidSegTrainingLib.training.patches import Patch, cut, draw_centre, random_patch  # noqa: E402

DATA = Path(os.environ.get("PAROTIDSEG_DATA", ROOT.parent / "shared" / "data")) / "openkbp"
OFF = {f"augmentation.{name}": 0.0 for name in ("bolus", "devices", "field")}
ON = {"augmentation.bolus": 0.6, "augmentation.devices": 0.6, "augmentation.field": 0.25}
ROWS, COLUMNS = 5, 4


def drawn_patches(cases: Sequence[Case], recipe: Recipe) -> list[tuple[Parameters, Patch]]:
    """One patch for each place of the picture."""
    drawn = []
    for seed in range(ROWS * COLUMNS):
        rng, case = np.random.default_rng(seed), cases[seed % len(cases)]
        parameters = draw(recipe.augmentation, rng)
        drawn.append((parameters, cut(case, recipe, draw_centre(case, recipe, rng), parameters)))
    return drawn


def write_picture(drawn: Sequence[tuple[Parameters, Patch]], spacing: Sequence[float], path: Path) -> None:
    """The axial slice through the middle of each patch's labels."""
    figure = new_plot(450 * COLUMNS, 345 * ROWS)
    for place, (parameters, patch) in enumerate(drawn, start=1):
        levels = np.flatnonzero(patch.labels.any(axis=(1, 2)))
        level = levels[len(levels) // 2] if levels.size else patch.labels.shape[0] // 2
        axes = figure.add_subplot(ROWS, COLUMNS, place)
        axes.imshow(patch.image[level, ..., 0], cmap="gray", vmin=-1, vmax=1, aspect=spacing[1] / spacing[2])
        for label, colour in ((1, "#e69f00"), (2, "#56b4e9")):
            if (patch.labels[level] == label).any():
                axes.contour(patch.labels[level] == label, [0.5], colors=colour, linewidths=0.8)
        axes.set_axis_off()
        what = [f"{t.shape} {t.hounsfield:.0f} HU, {t.thickness:.0f} mm" for t in parameters.things[:2]]
        what += [f"field cut {edge.depth:.0f} mm" for edge in parameters.edges[:1]]
        axes.set_title("; ".join(what) or "as it is", fontsize=6)
    figure.savefig(path)


def main() -> int:
    """Draw and measure."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("picture", type=Path)
    arguments.add_argument("--data", type=Path, default=DATA)
    arguments.add_argument("--recipe", default="parotid-ct-third-phase")
    arguments.add_argument("--cases", type=int, default=6)
    arguments.add_argument("--rounds", type=int, default=5)
    options = arguments.parse_args()

    without, with_all = recipes.load(options.recipe, OFF), recipes.load(options.recipe, {**OFF, **ON})
    folder = DatasetFolder.open(options.data)
    names = folder.cases("train", with_all.exclude)[: options.cases]
    margin = float(np.linalg.norm(np.array(with_all.tile) * with_all.preprocessing.spacing)) / 2.0 + 20.0
    cases = [load_case(folder, name, with_all, margin) for name in names]
    write_picture(drawn_patches(cases, with_all), with_all.preprocessing.spacing, options.picture)

    seconds: dict[str, list[float]] = {"without": [], "with": []}
    for turn in range(options.rounds):
        for name, recipe in (("without", without), ("with", with_all)):
            started = time.process_time()
            for position in range(20):
                random_patch(cases, recipe, turn, position)
            seconds[name].append((time.process_time() - started) / 20.0)
    ratio = statistics.median(b / a for a, b in zip(seconds["without"], seconds["with"], strict=True))
    for name, values in seconds.items():
        print(f"a patch {name} things outside the body: {statistics.median(values) * 1e3:.0f} ms of processor time")
    print(f"with / without: {ratio:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
