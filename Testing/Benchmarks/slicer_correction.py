"""How long does carrying a correction on hold the window of Slicer?

The scene of `slicer_stroke.py`: a CT of 512 × 512 × 200 voxels with two glands of about 30 mL, on Slicer's real
classes, the panel open at Review and Correct; the CT holds noise (seed 0), so that nothing is quicker than on a
patient. Slice by slice the right gland is made wider, as a person would; after each the steps are timed: what the
panel measures after the stroke, *Carry my corrections on* (with the correcting network of the shipped model, and
without one), *Next slice to check*, and *take back* of that slice, which the next round draws anew.

    python Testing/Benchmarks/slicer_correction.py [--slices 8]
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Threads of a matrix product that wait for each other would count as work.
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from slicer_stroke import MIDDLES, ROOT, SIZE, contours

#: What a step may take, ms, so that the window stays alive.
LIMIT_MS = 300.0
GLAND = "Parotid_R"


def measured(slices: int) -> dict[str, list[tuple[float, float]]]:
    """Milliseconds of each step by its name: by the clock, and of processor time, of all threads together.

    The latter counts where other programs keep the machine busy: on one free core a step takes no longer.
    """
    sys.path[:0] = [
        str(ROOT / part) for part in ("ParotidSeg", "ParotidSegTraining", "Testing/Shared", "Testing/Slicer")
    ]
    import widgets
    from application.start import start

    slicer = start()
    widgets.install()

    from ParotidSegLib.in_slicer import logic as module
    from ParotidSegLib.in_slicer.panel.panel import ParotidSegPanel

    panel = ParotidSegPanel(
        slicer.util.loadUI(str(ROOT / "ParotidSeg" / "Resources" / "UI" / "ParotidSeg.ui")), module.ParotidSegLogic()
    )
    node = panel.parameters.outputSegmentation = contours(slicer)
    voxels = slicer.util.arrayFromVolume(module.volume_of(node))
    voxels[:] = np.random.default_rng(0).normal(40.0, 30.0, voxels.shape)
    panel.ui.correctSection.collapsed = False
    panel.enter()
    panel.measure()
    times: dict[str, list[tuple[float, float]]] = {}

    def timed(name: str, action: Callable[[], object]) -> None:
        clock, processor = time.perf_counter(), time.process_time()
        action()
        pair = 1000.0 * (time.perf_counter() - clock), 1000.0 * (time.process_time() - processor)
        times.setdefault(name, []).append(pair)

    network = module.correcting_network
    network("parotid-ct")  # it is read once
    for number in _slices(slices):
        _widen(slicer, node, number)
        timed("after the stroke", panel.measure)
        module.correcting_network = lambda _bundle: None
        timed("carry on, without the network", panel.ui.carryOnButton.click)
        panel.ui.segmentEditor.undo()
        panel.measure()
        module.correcting_network = network
        timed("carry on", panel.ui.carryOnButton.click)
        panel.measure()
        timed("next slice", panel.ui.nextSliceButton.click)
        row = panel.ui.correctedTable.rowCount - 1
        timed("take back", lambda row=row: panel.ui.correctedTable.cellClicked.emit(row, 2))
        panel.ui.segmentEditor.undo()
        panel.measure()
    panel.ui.show3DButton.click()
    _widen(slicer, node, MIDDLES[GLAND][2] + 1)
    panel.measure()
    timed("carry on, with surfaces", panel.ui.carryOnButton.click)
    slices += 1
    if panel.ui.correctedTable.rowCount != slices or panel.ui.carryOnLabel.styleSheet:
        raise RuntimeError("the corrections were not carried on")
    panel.cleanup()
    return times


def _slices(count: int) -> list[int]:
    """Numbers of slices of the right gland, evenly spread, from top to bottom."""
    return [int(number) for number in np.linspace(-9, 9, count) + MIDDLES[GLAND][2]]


def _widen(slicer: Any, node: Any, number: int) -> None:
    """Make the gland 3 voxels wider in an axial slice, as Slicer's effects do, after the editor has saved the state."""
    from ParotidSegLib.in_slicer.logic import volume_of
    from ParotidSegLib.in_slicer.scene import undo
    from ParotidSegLib.in_slicer.scene.voxels import mask_on_voxels, oriented_mask

    for save in undo.also_saved:
        save(node)
    box, mask = mask_on_voxels(node, GLAND, volume_of(node))
    wider = np.pad(mask[number - box[0].start], 3)
    for _ in range(3):
        wider[1:-1, 1:-1] |= wider[:-2, 1:-1] | wider[2:, 1:-1] | wider[1:-1, :-2] | wider[1:-1, 2:]
    first = (number, box[1].start - 3, box[2].start - 3)
    slicer.vtkSlicerSegmentationsModuleLogic.SetBinaryLabelmapToSegment(
        oriented_mask(wider[None], _matrix(slicer, volume_of(node)), first),
        node,
        GLAND,
        slicer.vtkSlicerSegmentationsModuleLogic.MODE_MERGE_MAX,
    )


def _matrix(slicer: Any, volume: Any) -> np.ndarray:
    from ParotidSegLib.in_slicer.scene.voxels import index_to_ras

    return index_to_ras(volume, world=False)


def main() -> int:
    """Measure and print; 1 if a step takes longer than it may."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--slices", type=int, default=8, help="how many are corrected, one after the other")
    options = arguments.parse_args()
    size = " × ".join(map(str, SIZE))
    print(f"{size} voxels, n = {options.slices}; milliseconds, median (least - most): by the clock; of the processor")
    slowest = 0.0
    for name, pairs in measured(options.slices).items():
        texts = []
        for values in zip(*pairs, strict=True):
            texts.append(f"{statistics.median(values):5.0f} ({min(values):.0f} - {max(values):.0f})")
        slowest = max(slowest, statistics.median(pair[1] for pair in pairs))
        print(f"  {name:30s} {'; '.join(texts)}")
    print(f"slowest step: {slowest:.0f} ms of the processor, of {LIMIT_MS:.0f}")
    return int(slowest > LIMIT_MS)


if __name__ == "__main__":
    sys.exit(main())
