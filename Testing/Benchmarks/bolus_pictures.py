"""A picture of what bolus does to the contours of two versions of a model.

Lays the bolus of a row of `robustness.py` on both cheeks, contours the scan with it and without it with both versions,
and draws the four sets of contours, and the reference, on the scan with bolus: above, for each gland, the slice in
which the first version's contours with and without bolus differ most, below that of the second version. Without --case
it is the first validation patient that no training has seen: nobody chose it by the result.

    mkdir before && git archive 43ce8df ParotidSeg/ParotidSegLib/bundles/parotid-ct | tar x --directory before
    python Testing/Benchmarks/bolus_pictures.py before/ParotidSeg/ParotidSegLib/bundles/parotid-ct parotid-ct
        --output Resources/ModelCards/parotid-ct-bolus.png [--case pt_201 | --ct PATH] [--row PART] [--data OPENKBP]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import SimpleITK as sitk

sys.path.insert(0, str(Path(__file__).resolve().parent))

from made_changes import CHANGES
from robustness import DATA, changed_scan, dice, model_of, on, segmented, site_of

from ParotidSegLib.reading.images import read_image
from ParotidSegLib.structures import PAROTIDS, Structure
from ParotidSegLib.writing.drawing.views import signed
from ParotidSegLib.writing.pages.contour_pictures import ContourView, Line, draw_contours
from ParotidSegLib.writing.pages.plots import COLOUR_A, COLOUR_B
from ParotidSegTrainingLib.data.dataset import DatasetFolder
from ParotidSegTrainingLib.judging.overlays import COLOUR_REFERENCE, find_difference

DASHES = (10.0, 6.5)
#: Edge of a view.
PIXELS = 480
#: Validation patients that no figure may be taken from: a broken reference, and three that were learned from.
NOT_UNSEEN = ("pt_221", "pt_206", "pt_212", "pt_233")


class Version:
    """What one version of a model makes of a scan without and with bolus, on the voxels of the latter."""

    def __init__(self, bundle: str, scan: sitk.Image) -> None:
        model = model_of(bundle)
        self.name = model.bundle.version
        self.model = model
        self.without, _ = segmented(scan, model)
        self.with_bolus = self.without

    def lay(self, changed: sitk.Image) -> None:
        """Contour the scan with bolus."""
        self.with_bolus, _ = segmented(changed, self.model)
        self.without = moved(self.without, changed)

    def lines(self, colour: tuple[int, int, int]) -> list[Line]:
        """Dashed without bolus, solid with it."""
        return [
            Line(f"{self.name} without", self.without, colour, dashes=DASHES),
            Line(f"{self.name} bolus", self.with_bolus, colour),
        ]

    def view(self, structure: Structure) -> ContourView | None:
        """Where bolus makes the largest difference to this version; None if it never found the gland."""
        found = find_difference(self.without, self.without, self.with_bolus, structure)
        if not found:
            return None
        masks = [sitk.GetArrayViewFromImage(labels) == structure.label for labels in (self.without, self.with_bolus)]
        caption = (
            f"{structure.name}   z = {signed(found.z)} mm\n"
            f"here {self.name} differs most; Dice of the two {dice(*masks):.3f}"
        )
        return ContourView(structure, found.centre, found.field, caption)


def moved(labels: sitk.Image, grid: sitk.Image) -> sitk.Image:
    """The labels on the voxels of another image."""
    result = sitk.GetImageFromArray(on(labels, grid))
    result.CopyInformation(grid)
    return result


def main() -> None:
    """Contour, draw, and say where the picture is."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("bundles", nargs=2, metavar=("BEFORE", "AFTER"))
    arguments.add_argument("--output", type=Path, required=True)
    arguments.add_argument("--case")
    arguments.add_argument(
        "--ct", type=Path, help="a scan without a reference; its own contours say where the glands are"
    )
    arguments.add_argument("--row", default="bolus in contact, −50")
    arguments.add_argument("--data", type=Path, default=DATA / "openkbp")
    options = arguments.parse_args()
    change = next(name for name in CHANGES if options.row in name)
    if options.ct:
        name, path, reference = options.ct.name, options.ct, None
    else:
        data = DatasetFolder.open(options.data)
        name = options.case or data.cases("validation", NOT_UNSEEN)[0]
        path, reference = data.image_paths(name)[0], sitk.DICOMOrient(data.read_mask(name), "LPS")
    scan = sitk.DICOMOrient(read_image(path), "LPS")
    versions = [Version(bundle, scan) for bundle in options.bundles]
    site = site_of(versions[1].without if reference is None else reference)
    changed = changed_scan(scan, site, change, name)
    for version in versions:
        version.lay(changed)
    views = [view for version in versions for gland in PAROTIDS if (view := version.view(gland))]
    lines = [] if reference is None else [Line("reference", moved(reference, changed), COLOUR_REFERENCE, width=3.3)]
    lines += [*versions[0].lines(COLOUR_A), *versions[1].lines(COLOUR_B)]
    draw_contours(changed, views, lines, options.output, title=f"{name}   {change}", pixels=PIXELS)
    print(options.output)


if __name__ == "__main__":
    main()
