"""`parotidseg`: the command line, and the worker process of the Slicer module.

Exit codes: 0 all done, 1 some failed (the rest done), 2 wrong use, 130 interrupted.
"""

from __future__ import annotations

import argparse
import gc
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from ..errors import ParotidSegError
from ..files.file_names import given_path, means_folder
from ..version import __version__
from . import correct_command, review_command
from .batch import command as batch_command
from .console import Reporter, notes_shown, reporter, with_safe_output
from .options import add_engine_options, hide_graphics_cards


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="parotidseg", description="Contour the parotid glands in head-and-neck CT.")
    top.add_argument("--version", action="version", version=f"parotidseg {__version__}")
    commands = top.add_subparsers(dest="command", required=True)

    segment = commands.add_parser("segment", help="contour both parotid glands")
    segment.add_argument("inputs", nargs="+", type=Path, metavar="INPUT", help="an image file or a DICOM folder")
    segment.add_argument(
        "--output",
        "-o",
        required=True,
        type=given_path,
        help="a file (.seg.nrrd, .nii.gz, .nii, .nrrd, .mha; of a DICOM folder also .rtstruct.dcm or .seg.dcm) or a "
        "folder (ended with a slash if its name has a dot); several inputs give numbered folders in it, and scans.json "
        "that says which is which",
    )
    segment.add_argument(
        "--with",
        dest="others",
        action="append",
        default=[],
        metavar="NAME=PATH",
        help="a further image for a model that takes several, by the model's name for it (pet=PET.nii.gz)",
    )
    segment.add_argument("--series", help="which DICOM series of the folder: its number or its UID")
    segment.add_argument("--preview", type=Path, help="where the picture goes (default: beside the output)")
    segment.add_argument("--report", type=Path, help="write everything that was measured to this JSON file")
    add_shared_options(segment)
    segment.set_defaults(run_command=_segment)

    add_shared_options(batch_command.add_parser(commands))
    correct_command.add_parser(commands)
    review_command.add_parser(commands)
    _add_export(commands)
    bundles = commands.add_parser("bundles", help="list the models that ship")
    bundles.set_defaults(run_command=_bundles)
    return top


def add_shared_options(command: argparse.ArgumentParser) -> None:
    """Options of one scan and of a folder of scans."""
    for option, suffix, what in (("--rtstruct", ".rtstruct.dcm", "contours"), ("--dicom-seg", ".seg.dcm", "voxels")):
        command.add_argument(
            option,
            dest="dicom",
            action="append_const",
            const=suffix,
            default=[],
            help=f"also write the {what} as DICOM beside the output (*{suffix}); the input must be a DICOM folder",
        )
    command.add_argument("--bundle", default="parotid-ct", help="a model: name, folder or zip (default: parotid-ct)")
    add_engine_options(command)
    command.add_argument(
        "--names",
        default="number",
        choices=("number", "input"),
        help="how the folders of several results are called: by numbers, or after the inputs, which may name patients",
    )
    command.add_argument("--no-preview", action="store_true", help="draw no picture")
    command.add_argument(
        "--uncertainty",
        action="store_true",
        help="also write where the model is unsure, in percent (*.uncertainty.nrrd beside the output)",
    )


def _add_export(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    export = commands.add_parser("export", help="turn a label map into DICOM contours (RTSTRUCT) or voxels (SEG)")
    export.add_argument("labels", type=Path, metavar="LABELS", help="a label map or .seg.nrrd on the voxels of the CT")
    export.add_argument("--dicom", required=True, type=Path, metavar="FOLDER", help="the DICOM folder of the CT")
    export.add_argument("--series", help="which DICOM series of the folder: its number or its UID")
    export.add_argument(
        "--output", "-o", required=True, type=Path, help="a file that ends with .rtstruct.dcm or .seg.dcm"
    )
    export.add_argument(
        "--edited", action="store_true", help="a person corrected the contours: SEMIAUTOMATIC instead of AUTOMATIC"
    )
    export.add_argument(
        "--bundle", default="parotid-ct", help="the model whose structures the labels are (default: parotid-ct)"
    )
    export.set_defaults(run_command=_export)


def _segment(arguments: argparse.Namespace) -> int:
    from ..model.bundle import load_bundle
    from ..segmentation import open_model
    from .one_scan import Options, plan, segment_scan

    show = reporter(arguments.progress)
    hide_graphics_cards(arguments.device)
    several = len(arguments.inputs) > 1
    if several and (arguments.preview or arguments.report or arguments.series or arguments.others):
        show.failure("--preview, --report, --series and --with cannot be used with several inputs.")
        return 2
    if several and not means_folder(arguments.output):
        show.failure(
            "With several inputs --output must be a folder: name one without a suffix, or end it with a slash."
        )
        return 2
    options = Options.of(arguments)
    try:
        bundle = load_bundle(arguments.bundle)
        outputs = [arguments.output]
        if several:
            outputs = _folders(arguments, show)
        else:
            plan(arguments.inputs[0], arguments.output, bundle, options)
        show.progress("load", 0.0, "Loading the model")
        model = open_model(bundle, engine=arguments.engine)
    except ParotidSegError as error:
        show.failure(str(error))
        return 1
    failed = 0
    for number, (source, output) in enumerate(zip(arguments.inputs, outputs, strict=True), start=1):
        if several:
            show.heading(f"Scan {number} of {len(outputs)} (folder {output.name})")
        try:
            segment_scan(source, output, model, options, show)
        except ParotidSegError as error:
            show.failure(str(error))
            failed += 1
    return 1 if failed else 0


def _folders(arguments: argparse.Namespace, show: Reporter) -> list[Path]:
    """A folder for each of several inputs, as scans.json then says."""
    from .batch.manifest import NAMES_OF_INPUTS, WORD_ON_NAMES, Manifest
    from .batch.scans import Scan

    if arguments.names == NAMES_OF_INPUTS:
        show.note(WORD_ON_NAMES)
    scans = [Scan.of_input(source) for source in arguments.inputs]
    manifest = Manifest(arguments.output, arguments.names)
    manifest.number_all(scans)
    return [arguments.output / manifest.number(scan) for scan in scans]


def _export(arguments: argparse.Namespace) -> int:
    from ..model.bundle import load_bundle
    from ..reading.label_maps import read_labels
    from ..writing.dicom_export import export_dicom
    from ..writing.dicom_reference import Origin

    bundle = load_bundle(arguments.bundle)
    written = export_dicom(
        read_labels(arguments.labels, structures=bundle.structures),
        arguments.output,
        dicom=arguments.dicom,
        series=arguments.series,
        modality=bundle.segmenter.preprocessing.inputs[0].modality,
        structures=bundle.structures,
        origin=Origin(edited=arguments.edited),
    )
    print(f"{arguments.output}: {', '.join(structure.key for structure in written)}")
    return 0


def _bundles(arguments: argparse.Namespace) -> int:
    from ..model.bundle import load_bundle, shipped_bundles

    for name in shipped_bundles():
        bundle = load_bundle(name)
        print(f"{bundle.name} {bundle.version}  {bundle.description}")
    return 0


def _stop(signum: int, frame: object) -> None:
    # A termination ends the program the orderly way, so that temporary files go away.
    raise SystemExit(128 + signum)


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    arguments = parser().parse_args(argv)
    # The packages that load now make many objects and no garbage, which Python would look for a hundred times.
    gc.set_threshold(20_000, 20, 20)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _stop)
    try:
        with notes_shown(reporter(getattr(arguments, "progress", "human"))):
            return with_safe_output(lambda: arguments.run_command(arguments))
    except ParotidSegError as error:
        print(f"parotidseg: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("parotidseg: interrupted; nothing was written of the scan in work.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
