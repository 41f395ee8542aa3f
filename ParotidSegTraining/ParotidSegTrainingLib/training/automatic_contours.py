"""The automatic contours of a data set's cases, drawn once and kept in a folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import SimpleITK as sitk

from ParotidSegLib.errors import ImageError
from ParotidSegLib.reading.images import write_image
from ParotidSegLib.reading.label_maps import read_labels
from ParotidSegLib.segmentation import open_model, segment
from ParotidSegLib.writing.export import write_segmentation

from ..data.dataset import DatasetFolder


@dataclass(frozen=True)
class AutomaticCase:
    """A scan with what a model drew: CT, label map and uncertainty in percent, on one grid."""

    name: str
    image: sitk.Image
    labels: sitk.Image
    uncertainty: sitk.Image


def automatic_contours(
    data: DatasetFolder,
    cases: Sequence[str],
    folder: Path,
    *,
    bundle: str = "parotid-ct",
    progress: Callable[[str], None] = lambda message: None,
) -> list[AutomaticCase]:
    """What a bundle draws in these cases; a case in which it finds no gland is left out.

    Args:
        data: the images.
        cases: their names.
        folder: gets CASE.nii.gz and CASE.uncertainty.nrrd; what it has already is read.
        bundle: the model.
        progress: called with a line a case that is drawn.
    """
    folder.mkdir(parents=True, exist_ok=True)
    model = None
    found = []
    for case in cases:
        image = data.read_images(case)[0]
        kept = folder / f"{case}.nii.gz", folder / f"{case}.uncertainty.nrrd"
        if not all(path.is_file() for path in kept):
            model = model or open_model(bundle)
            try:
                result = segment(image, model, uncertainty=True)
            except ImageError as error:
                progress(f"{case}: {error}")
                continue
            assert result.uncertainty is not None
            write_image(result.uncertainty, kept[1])
            write_segmentation(result.labels, kept[0])
            progress(f"{case}: drawn")
        found.append(AutomaticCase(case, image, read_labels(kept[0]), sitk.ReadImage(str(kept[1]))))
    return found
