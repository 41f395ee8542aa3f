"""How dull should a full-resolution CT be made for a network that learned from OpenKBP?

OpenKBP's CTs are clinical ones of which every 4th pixel was kept, in rows and columns: sampled at points, not
smoothed. Takes a full-resolution CT, makes what OpenKBP would have made of it, from each of several first pixels, and
contours that: it is what the network learned to see. Then contours the CT as it is with several values of
`preprocessing.resolution`, in the plane, and asks which of them says most nearly the same, at the pixels that were
kept: Dice of both glands, and the volume.

    python Testing/Benchmarks/every_fourth_pixel.py [--ct PATH ...] [--bundle NAME] [--widths MM ...]
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "ParotidSeg"))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from ParotidSegLib.images import read_image  # noqa: E402
from ParotidSegLib.metrics import compare_images, summarise  # noqa: E402
from ParotidSegLib.segmentation import Model, open_model, segment  # noqa: E402

DATA = Path(os.environ.get("PAROTIDSEG_DATA", ROOT.parent / "shared" / "data"))
STEP = 4
#: First pixels (column, row).
STARTS = ((0, 0), (2, 2), (0, 2), (2, 0), (1, 3), (3, 1))
AXIAL_MM = 3.0


def kept(image: sitk.Image, start: tuple[int, int]) -> sitk.Image:
    """Every 4th column and row, as they are."""
    return image[start[0] :: STEP, start[1] :: STEP, :]


def as_dull_as(model: Model, width: float | None) -> Model:
    """The model with another resolution in the plane (mm), or none."""
    resolution = (AXIAL_MM, width, width) if width else None
    segmenter = model.bundle.segmenter
    changed = replace(segmenter, preprocessing=replace(segmenter.preprocessing, resolution=resolution))
    return replace(model, bundle=replace(model.bundle, segmenter=changed))


def main() -> int:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--ct", type=Path, nargs="+", default=[DATA / "clinical_ct" / "head_neck_1"])
    arguments.add_argument("--bundle", default="parotid-ct")
    arguments.add_argument("--widths", type=float, nargs="+", default=[0.0, 2.5, 3.0, 3.5, 4.0, 4.6, 5.2])
    options = arguments.parse_args()
    model = open_model(options.bundle)
    for path in options.ct:
        image = read_image(path)
        sparse = [segment([kept(image, start)], model).labels for start in STARTS]
        print(f"{'x'.join(f'{edge:.2f}' for edge in image.GetSpacing())} mm; mL, every 4th pixel: {_volume(sparse)}")
        print("| FWHM in the plane, mm | Dice with every 4th pixel | mL |\n|---|---|---|")
        for width in options.widths:
            labels = segment([image], as_dull_as(model, width or None)).labels
            scores = [
                np.mean([gland.dice for gland in compare_images(reference, kept(labels, start)).values()])
                for reference, start in zip(sparse, STARTS, strict=True)
            ]
            of = summarise(scores)
            print(f"| {width or 'as it is'} | {of.mean:.3f} ± {of.sd:.3f} | {_volume([labels])} |", flush=True)
    return 0


def _volume(maps: list[sitk.Image]) -> str:
    """Mean volume of both glands together, mL."""
    voxel = [np.prod(labels.GetSpacing()) / 1000.0 for labels in maps]
    counts = [np.count_nonzero(sitk.GetArrayViewFromImage(labels)) for labels in maps]
    return f"{np.mean(np.multiply(voxel, counts)):.1f}"


if __name__ == "__main__":
    sys.exit(main())
