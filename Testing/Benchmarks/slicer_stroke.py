"""How long does the panel of the Slicer module hold the window after a stroke of the brush?

A CT of 512 × 512 × 200 voxels with two glands is in the scene (Slicer's real classes, from the wheel slicer-core), the
panel is open at Review and Correct. A stroke adds a ball of 6 mm to the right gland, by the call in which the effect
Paint ends; after it the panel measures anew what it shows. That is timed, and what it costs to come back to the module.
With --compare the section Compare is open too, with a reference and a dose: what it adds happens bit by bit, a turn of
the event loop each, and the longest turn after each stroke is what holds the window. With --before the same is measured
with the program as it was at an earlier commit:

    python Testing/Benchmarks/slicer_stroke.py [--strokes 15] [--compare] [--before COMMIT]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
SIZE, SPACING = (512, 512, 200), (0.98, 0.98, 2.0)
#: Middles of the glands (voxels) and their half axes (mm): about 30 mL each.
MIDDLES, HALF_AXES = {"Parotid_R": (190, 250, 100), "Parotid_L": (322, 250, 100)}, (15.0, 19.0, 25.0)
BRUSH_MM = 6.0


def measured(root: Path, strokes: int, *, compare: bool = False) -> dict[str, list[tuple[float, float]]]:
    """Milliseconds of each stroke and of each return to the module, in this process, by the program in a folder."""
    sys.path[:0] = [
        str(root / part) for part in ("ParotidSeg", "ParotidSegTraining", "Testing/Shared", "Testing/Slicer")
    ]
    import widgets
    from application.start import start

    slicer = start()
    widgets.install()
    import qt

    from ParotidSegLib.in_slicer.logic import ParotidSegLogic
    from ParotidSegLib.in_slicer.panel.panel import ParotidSegPanel

    panel = ParotidSegPanel(
        slicer.util.loadUI(str(root / "ParotidSeg" / "Resources" / "UI" / "ParotidSeg.ui")), ParotidSegLogic()
    )
    panel.parameters.outputSegmentation = contours(slicer)
    panel.ui.correctSection.collapsed = False
    panel.enter()
    panel.measure()
    times: dict[str, list[tuple[float, float]]] = {"stroke": [], "return": []}
    if compare:
        times |= {"longest turn of Compare": [], "all turns of Compare": []}
        _open_compare(slicer, panel)
        _turns(qt, panel)
    for number in range(strokes):
        _paint(slicer, panel.parameters.outputSegmentation, number)
        times["stroke"].append(milliseconds(panel.measure))
        if compare:
            turns = _turns(qt, panel)
            times["longest turn of Compare"].append(max(turns))
            times["all turns of Compare"].append((sum(t for t, _ in turns), sum(t for _, t in turns)))
        panel.exit()
        times["return"].append(milliseconds(lambda: (panel.enter(), _let_timers_run(qt, panel))))
        if compare:
            _turns(qt, panel)
    if len(panel.review._rows) != len(MIDDLES) or "mL added" not in panel.ui.differenceLabel.text:
        raise RuntimeError("the panel did not measure the strokes")
    panel.cleanup()
    return times


def milliseconds(action: Any) -> tuple[float, float]:
    """By the clock, and of the main thread's processor time: it counts where other programs keep the machine busy."""
    clock, processor = time.perf_counter(), time.thread_time()
    action()
    return 1000.0 * (time.perf_counter() - clock), 1000.0 * (time.thread_time() - processor)


def _let_timers_run(qt: Any, panel: Any) -> None:
    """What has been put off for a while happens now: the waiting itself holds nobody."""
    if panel._later.active:
        panel._later.setInterval(0)
        while panel._later.active:
            qt.QApplication.processEvents()
        panel._later.setInterval(300)


def _open_compare(slicer: Any, panel: Any) -> None:
    """A reference that is the same glands, moved by some voxels, and a dose that falls off from right to left."""
    import SimpleITK as sitk

    from ParotidSegLib.in_slicer.scene.scene import gland_labels, new_segmentation, put_segments

    node, volume = panel.parameters.outputSegmentation, panel.parameters.inputVolume
    labels = gland_labels(node, volume, world=True)
    moved = sitk.GetImageFromArray(np.roll(sitk.GetArrayFromImage(labels), (1, 3, -2), (0, 1, 2)))
    moved.CopyInformation(labels)
    reference = new_segmentation(volume, "Second reader")
    put_segments(reference, moved, volume, is_automatic=False)
    falling = np.linspace(60.0, 5.0, 170, dtype=np.float32)
    dose = slicer.util.addVolumeFromArray(np.broadcast_to(falling, (140, 170, 170)).copy(), name="Dose")
    dose.SetSpacing(3.0, 3.0, 3.0)
    dose.SetAttribute("DicomRtImport.DoseUnitName", "GY")
    panel.parameters.referenceSegmentation, panel.parameters.doseVolume = reference, dose
    panel.ui.compareSection.collapsed = False


def _turns(qt: Any, panel: Any) -> list[tuple[float, float]]:
    """What each turn of the event loop costs until Compare has measured everything."""
    panel.compare._later.setInterval(0)
    turns = []
    while panel.compare.is_busy:
        turns.append(milliseconds(qt.QApplication.processEvents))
    return turns


def contours(slicer: Any) -> Any:
    """A CT in the scene, and a segmentation with both glands as if a model had drawn them."""
    import SimpleITK as sitk

    from ParotidSegLib.in_slicer.scene.scene import new_segmentation, put_segments
    from ParotidSegLib.structures import PAROTIDS

    volume = slicer.util.addVolumeFromArray(np.zeros(SIZE[::-1], np.int16), name="CT")
    volume.SetSpacing(SPACING)
    labels = np.zeros(SIZE[::-1], np.uint8)
    for structure in PAROTIDS:
        box, inside = _ellipsoid(MIDDLES[structure.key], HALF_AXES)
        labels[box][inside] = structure.label
    image = sitk.GetImageFromArray(labels)
    image.SetSpacing(SPACING)
    image.SetDirection((-1, 0, 0, 0, -1, 0, 0, 0, 1))  # RAS to LPS
    node = new_segmentation(volume, "Glands")
    put_segments(node, image, volume)
    return node


def _ellipsoid(middle: tuple[int, ...], half_axes: tuple[float, ...]) -> tuple[tuple[slice, ...], np.ndarray]:
    reach = [round(half / step) + 1 for half, step in zip(half_axes, SPACING, strict=True)]
    box = tuple(slice(m - r, m + r + 1) for m, r in zip(middle[::-1], reach[::-1], strict=True))
    offsets = np.meshgrid(*(np.arange(-r, r + 1) for r in reach[::-1]), indexing="ij")
    distance = sum(
        (offset * step / half) ** 2 for offset, step, half in zip(offsets, SPACING[::-1], half_axes[::-1], strict=True)
    )
    return box, distance <= 1.0


def _paint(slicer: Any, node: Any, number: int) -> None:
    """A stroke at the edge of the right gland, each somewhere else."""
    from ParotidSegLib.in_slicer.scene.voxels import oriented_mask

    angle = 2.4 * number
    x, y, z = MIDDLES["Parotid_R"]
    middle = (x + round(15 * np.cos(angle)), y + round(19 * np.sin(angle)), z + number % 9 - 4)
    box, inside = _ellipsoid(middle, (BRUSH_MM / 2,) * 3)
    mask = np.zeros(SIZE[::-1], bool)
    mask[box] = inside
    slicer.vtkSlicerSegmentationsModuleLogic.SetBinaryLabelmapToSegment(
        oriented_mask(mask, np.diag([*SPACING, 1.0])),
        node,
        "Parotid_R",
        slicer.vtkSlicerSegmentationsModuleLogic.MODE_MERGE_MAX,
    )


def in_own_process(root: Path, strokes: int, *, compare: bool) -> dict[str, list[tuple[float, float]]]:
    """`measured` with a program of its own: two versions do not fit into one process."""
    command = [sys.executable, __file__, "--strokes", str(strokes), "--root", str(root)]
    command += ["--compare"] if compare else []
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> int:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--strokes", type=int, default=15)
    arguments.add_argument("--compare", action="store_true", help="with Compare open, too")
    arguments.add_argument("--before", metavar="COMMIT", help="also measure the program as it was then")
    arguments.add_argument("--root", type=Path, help=argparse.SUPPRESS)
    options = arguments.parse_args()
    if options.root is not None:
        print(json.dumps(measured(options.root, options.strokes, compare=options.compare)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        versions = {"now": ROOT}
        if options.before:
            versions = {"before": Path(folder) / "before", **versions}
            git = ["git", "-C", str(ROOT), "archive", options.before]
            packed = subprocess.run(git, check=True, capture_output=True).stdout
            versions["before"].mkdir()
            subprocess.run(["tar", "-x", "-C", str(versions["before"])], input=packed, check=True)
        medians: dict[str, dict[str, float]] = {}
        print(f"n = {options.strokes}; milliseconds, median (least – most)")
        for name, root in versions.items():
            medians[name] = {}
            for what, pairs in in_own_process(root, options.strokes, compare=options.compare).items():
                for kind, values in zip(("clock", "processor"), zip(*pairs, strict=True), strict=True):
                    medians[name][f"{what}, {kind}"] = statistics.median(values)
                    spread = f"({min(values):.0f} – {max(values):.0f})"
                    print(f"  {name:6s}  {what:23s}  {kind:9s} {statistics.median(values):5.0f} {spread}", flush=True)
        if "before" in medians:
            ratios = (f"{what}: {medians['before'][what] / medians['now'][what]:.0f}×" for what in medians["now"])
            print(f"  quicker: {'; '.join(ratios)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
