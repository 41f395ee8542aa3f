"""`parotidseg-train`: train and judge models of this family."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from ParotidSegLib.errors import ParotidSegError
from ParotidSegLib.terminal.console import with_safe_output

from .commands.combine import add_combine
from .commands.compare import add_compare
from .commands.corrector import add_corrector
from .commands.evaluate import add_evaluate
from .commands.fit import add_training
from .commands.prepare import add_prepare
from .commands.start import add_practice, add_recipes
from .training.progress import reporter


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="parotidseg-train", description="Train and judge parotid segmentation models.")
    commands = top.add_subparsers(dest="command", required=True)
    add_recipes(commands)
    add_practice(commands)
    add_prepare(commands)
    add_combine(commands)
    add_training(commands)
    add_evaluate(commands)
    add_compare(commands)
    add_corrector(commands)

    bundle = commands.add_parser("bundle", help="make a bundle from finished runs")
    bundle.add_argument("output", type=Path, help="folder of the bundle; its name is the bundle's name")
    bundle.add_argument("--segmenter", required=True, type=Path, help="run folder of the segmenting network")
    bundle.add_argument(
        "--locator",
        type=Path,
        help="run folder of the network that finds parotid glands, or a bundle that has one (without: the whole scan)",
    )
    bundle.add_argument("--weights", default="hybrid", choices=("hybrid", "best_dice", "last"))
    bundle.add_argument(
        "--mix-with", type=Path, metavar="WEIGHTS", help="weights that take part, such as those the run started from"
    )
    bundle.add_argument("--share", type=float, default=0.15, help="of the weights to mix with (default: 0.15)")
    bundle.add_argument("--version", required=True, help="semantic version, e.g. 0.1.0")
    bundle.add_argument("--description", required=True, help="one sentence")
    bundle.add_argument("--trained-on", required=True, help="one sentence about the training data")
    bundle.set_defaults(run_command=_bundle)
    return top


def _bundle(arguments: argparse.Namespace) -> None:
    from .training.bundling import make_bundle
    from .training.mixture import Mixture

    make_bundle(
        arguments.output,
        name=arguments.output.name,
        version=arguments.version,
        segmenter_run=arguments.segmenter,
        locator_run=arguments.locator,
        choice=arguments.weights,
        training={"data": arguments.trained_on},
        description=arguments.description,
        mixed_with=Mixture(arguments.mix_with, arguments.share) if arguments.mix_with else None,
    )
    print(f"{arguments.output} is ready.")


def _stop(signum: int, frame: object) -> None:
    # A termination ends the program the orderly way, so that temporary files go away.
    raise SystemExit(128 + signum)


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point: 0 done, 1 failed (of several cases the rest is done), 2 wrong use, 130 or 143 after a signal."""
    arguments = parser().parse_args(argv)
    arguments.words = sys.argv[1:] if argv is None else argv  # results say what command made them
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _stop)
    try:
        return with_safe_output(lambda: arguments.run_command(arguments) or 0)
    except ParotidSegError as error:
        _fail(arguments, str(error))
        return 1
    except KeyboardInterrupt:
        _fail(arguments, "interrupted; the same command goes on from the last finished epoch or case.")
        return 130


def _fail(arguments: argparse.Namespace, message: str) -> None:
    """Say it the way in which the command shows its progress; without such a way on the error stream."""
    reporter(getattr(arguments, "progress", "human")).failure(message)


if __name__ == "__main__":
    sys.exit(main())
