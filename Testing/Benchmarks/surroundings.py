"""What lies around the parotid glands of training patients: the ground of the limits in glands/surroundings.py.

    python Testing/Benchmarks/surroundings.py --data ../shared/data/openkbp

Prints percentiles of each measure about the contoured glands, and which glands would be called odd, alone or in a pair.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import SimpleITK as sitk

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "ParotidSeg"))
from ParotidSegLib.glands.surroundings import ODD_IN_PAIR, Surroundings
from ParotidSegLib.reading.images import read_image
from ParotidSegLib.structures import PAROTIDS

MEASURES = ("width_mm", "area_cm2", "air", "bone")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="images/, masks/ and splits.json")
    parser.add_argument("--split", default="train")
    options = parser.parse_args()
    rows = []
    for patient in json.loads((options.data / "splits.json").read_text(encoding="utf-8"))[options.split]:
        image = read_image(options.data / "images" / f"{patient}.nii.gz")
        shape = sitk.LabelShapeStatisticsImageFilter()
        shape.Execute(sitk.ReadImage(str(options.data / "masks" / f"{patient}.nii.gz")))
        for structure in PAROTIDS:
            if structure.label in shape.GetLabels():
                about = Surroundings.of(image, shape.GetCentroid(structure.label), structure.side)
                box = shape.GetBoundingBox(structure.label)
                rows.append((patient, structure.key, about, box[5] * image.GetSpacing()[2]))
    print(f"{len(rows)} glands")
    for measure in MEASURES:
        values = np.array([getattr(about, measure) for _, _, about, _ in rows])
        listed = np.round(np.nanpercentile(values, [0, 1, 5, 50, 95, 99, 100]), 3)
        print(f"{measure:10s} smallest, 1st, 5th, 50th, 95th, 99th percentile, largest: {listed}")
    print("height", np.round(np.percentile([row[3] for row in rows], [0, 1, 5, 50, 95, 99, 100]), 1))
    for patient, key, about, _ in rows:
        if about.oddities:
            verdict = "not in a head" if about.is_impossible or len(about.oddities) >= ODD_IN_PAIR else "odd if alone"
            print(f"{patient} {key}: {verdict}: {'; '.join(about.oddities)}")


if __name__ == "__main__":
    main()
