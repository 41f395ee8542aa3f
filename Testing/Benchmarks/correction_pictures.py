"""Pictures of three glands before and after three suggested slices were corrected (`correction.py --pictures`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ParotidSegLib.correcting.expected.carrying import carried_mask
from ParotidSegLib.correcting.expected.gland import Strokes
from ParotidSegLib.correcting.suggestion import worth_of_slices
from ParotidSegLib.measuring.metrics import dice
from ParotidSegLib.writing.preview import WINDOW
from ParotidSegTrainingLib.training.simulated_user import Task

CORRECTED = 3
#: Slices that nobody corrected, shown of each gland.
COLUMNS = 5
#: Okabe and Ito's palette: told apart with any colour vision.
WANTED, DRAWN = "#FFFFFF", "#E69F00"


def corrected(task: Task, network) -> tuple[np.ndarray, list[int]]:
    """The gland after the suggested slices were made as wanted, and these slices."""
    drawn: dict[int, np.ndarray] = {}
    contour = task.gland.automatic
    while len(drawn) < CORRECTED:
        strokes = task.strokes(drawn) if drawn else Strokes(np.array([], int), task.wanted[:0])
        worth, _ = worth_of_slices(task.gland, strokes, network)
        number = int(worth.argmax())
        drawn[number] = task.wanted[number]
        contour = carried_mask(task.gland, task.strokes(drawn), network)
    return contour, sorted(drawn)


def draw_three(tasks: Sequence[Task], network, folder: Path) -> None:
    """The glands whose automatic Dice is at the 10th, 50th and 90th percentile: nobody chose them by the result."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    folder.mkdir(parents=True, exist_ok=True)
    ranked = sorted(tasks, key=lambda task: dice(task.gland.automatic, task.wanted))
    for percent in (10, 50, 90):
        task = ranked[round(percent / 100 * (len(ranked) - 1))]
        after, done = corrected(task, network)
        rows = np.flatnonzero((task.wanted | task.gland.automatic).any(axis=(1, 2)))
        left = np.setdiff1d(rows, done)
        shown = left[np.linspace(1, left.size - 2, COLUMNS).round().astype(int)]
        figure = Figure(figsize=(2.2 * COLUMNS, 4.9), layout="constrained", facecolor="black")
        axes = figure.subplots(2, COLUMNS)
        for line, (title, mask) in zip(axes, (("before", task.gland.automatic), ("after", after)), strict=True):
            for axis, number in zip(line, shown[::-1], strict=True):
                draw_slice(axis, task, mask, int(number))
            value = dice(mask, task.wanted)
            line[0].set_title(f"{title}: Dice {value:.2f}", color="white", fontsize=10, loc="left")
        figure.savefig(folder / f"gland-{percent}.png", dpi=100)
        print(folder / f"gland-{percent}.png")


def draw_slice(axis, task: Task, mask: np.ndarray, number: int) -> None:
    """CT, what the user wants (dashed) and what is drawn; the front of the patient is above."""
    gland = task.gland
    aspect = gland.spacing[1] / gland.spacing[2]
    axis.imshow(gland.ct[number], cmap="gray", vmin=WINDOW[0], vmax=WINDOW[1], aspect=aspect, interpolation="bilinear")
    for contour, colour, style in ((mask[number], DRAWN, "solid"), (task.wanted[number], WANTED, "dashed")):
        if contour.any():
            axis.contour(contour, levels=[0.5], colors=colour, linewidths=1.4, linestyles=style)
    axis.set_axis_off()
