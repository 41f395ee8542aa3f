"""`parotidseg correct`: corrected slices carried to the rest of the glands."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import SimpleITK as sitk

from ..errors import ImageError


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    correct = commands.add_parser(
        "correct",
        help="carry corrected slices to the rest of the glands",
        description="Take the slices in which the corrected contours differ from the automatic ones as right, draw the "
        "other slices of those glands anew, and say which slice to look at next. Slices are numbered from 0, along the "
        "image's own axis.",
    )
    correct.add_argument("image", type=Path, metavar="CT", help="an image file or a DICOM folder")
    correct.add_argument("--series", help="which DICOM series of the folder: its number or its UID")
    labels = "a label map or .seg.nrrd on the voxels of the CT"
    correct.add_argument("--automatic", required=True, type=Path, metavar="A", help=f"before any correction: {labels}")
    correct.add_argument("--corrected", required=True, type=Path, metavar="B", help=f"with corrected slices: {labels}")
    correct.add_argument(
        "--output", "-o", required=True, type=Path, metavar="C", help=".seg.nrrd, .nii.gz, .nii, .nrrd or .mha"
    )
    correct.add_argument(
        "--previous", type=Path, metavar="P", help="a result of this command that B was made from, with its --slices"
    )
    correct.add_argument(
        "--slices",
        nargs="+",
        default=[],
        metavar="KEY=N,N",
        help="slices that were corrected before, as this command prints them (Parotid_R=34,40); without --previous: "
        "all that are right",
    )
    correct.add_argument("--plane", choices=("axial", "coronal", "sagittal"), help="of the corrected slices")
    correct.add_argument(
        "--uncertainty", type=Path, metavar="U", help="what 'parotidseg segment --uncertainty' wrote beside A"
    )
    correct.add_argument("--bundle", default="parotid-ct", help="the model whose correcting network helps")
    correct.add_argument("--report", type=Path, help="write slices, volumes and what to look at next to this JSON file")
    correct.set_defaults(run_command=_correct)


def _correct(arguments: argparse.Namespace) -> int:
    from ..correcting.expected.network import network_of
    from ..correcting.placing import on_grid_of
    from ..correcting.propagation import propagate
    from ..correcting.suggestion import suggest
    from ..model.bundle import load_bundle
    from ..reading.images import read_image
    from ..reading.label_maps import read_labels
    from ..writing.export import segmentation_suffix, write_json, write_segmentation
    from ..writing.outputs import refuse_to_replace

    slices = _slices(arguments.slices)
    segmentation_suffix(arguments.output)
    inputs = [arguments.image, arguments.automatic, arguments.corrected, arguments.previous, arguments.uncertainty]
    refuse_to_replace([path for path in inputs if path], [arguments.output, arguments.report])
    bundle = load_bundle(arguments.bundle)
    network = network_of(bundle)
    image = read_image(arguments.image, series=arguments.series)

    def read(path: Path | None, name: str) -> sitk.Image | None:
        return None if path is None else on_grid_of(image, read_labels(path, structures=bundle.structures), name)

    automatic = read(arguments.automatic, "The automatic contour")
    uncertainty = None if arguments.uncertainty is None else _percent(arguments.uncertainty)
    result = propagate(
        image,
        automatic,
        read(arguments.corrected, "The corrected contour"),
        uncertainty=uncertainty,
        previous=read(arguments.previous, "The previous contour"),
        slices=slices,
        plane=arguments.plane,
        network=network,
        structures=bundle.structures,
    )
    following = suggest(
        image,
        automatic,
        result.labels,
        slices=result.slices,
        plane=result.plane,
        uncertainty=uncertainty,
        network=network,
        structures=bundle.structures,
    )
    write_segmentation(result.labels, arguments.output, structures=bundle.structures)
    if arguments.report:
        write_json(result.report() | {"next": [one.report() for one in following]}, arguments.report)
    for key, numbers in result.slices.items():
        changed = f"{result.added_ml[key]:.2f} mL added, {result.removed_ml[key]:.2f} mL removed"
        print(f"{key}: {changed} since the automatic contour; corrected {result.plane} slices:")
        print(f"  {key}={','.join(map(str, numbers))}")
    for one in following:
        if one.structure in result.slices:
            enough = f" No slice is expected to have more than {one.most_mm2:.0f} mm² wrong: it may be enough."
            print(f"{one.structure}, next: slice {one.slice}. {one.reason}{enough if one.is_enough else ''}")
    print(f"{arguments.output} is written. For review by a clinician; not for use without one.")
    return 0


def _slices(texts: Sequence[str]) -> Mapping[str, list[int]] | None:
    """KEY=N,N of the command line as numbers by key; None if there are none."""
    found: dict[str, list[int]] = {}
    for text in texts:
        key, _, numbers = text.partition("=")
        if not key or not all(number.isdecimal() for number in numbers.split(",")):
            raise ImageError(f"'{text}' names no slices: write the structure and its slices as Parotid_R=34,40.")
        found.setdefault(key, []).extend(map(int, numbers.split(",")))
    return found or None


def _percent(path: Path) -> sitk.Image:
    """An image of uncertainty, uint8."""
    try:
        image = sitk.ReadImage(str(path))
        values = sitk.GetArrayViewFromImage(image)
    except RuntimeError as error:
        raise ImageError(
            f"{path.name!r} is damaged or no image: give what 'parotidseg segment --uncertainty' wrote."
        ) from error
    if image.GetDimension() != 3 or values.ndim != 3 or not (values.min() >= 0 and values.max() <= 100):
        raise ImageError(f"{path.name!r} holds no percent: give what 'parotidseg segment --uncertainty' wrote.")
    return sitk.Cast(image, sitk.sitkUInt8)
