"""How much better are several networks together? The figure that a single one is measured by.

Averages the probabilities of bundles whose segmenters see the same grid and tile, through the same segment() as ever,
and scores the result as `parotidseg-train evaluate` does.

    python Testing/Benchmarks/ensemble.py BUNDLE BUNDLE [...] --output RESULTS [--data OPENKBP] [--exclude CASE ...]
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
for module in ("ParotidSeg", "ParotidSegTraining"):
    sys.path.insert(0, str(ROOT / module))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from ParotidSegLib.model.engines import Engine  # noqa: E402
from ParotidSegLib.segmentation import Model, open_model  # noqa: E402
from ParotidSegTrainingLib.data.dataset import DatasetFolder  # noqa: E402
from ParotidSegTrainingLib.judging.judge import forget_progress, judge_model  # noqa: E402
from ParotidSegTrainingLib.judging.results import table  # noqa: E402

DATA = Path(os.environ.get("PAROTIDSEG_DATA", ROOT.parent / "shared" / "data"))


class Ensemble:
    """An engine that gives the mean of others."""

    def __init__(self, engines: Sequence[Engine]) -> None:
        self.engines, self.name = engines, "+".join(sorted({engine.name for engine in engines}))
        steps = {engine.step for engine in engines}
        self.step = steps.pop() if len(steps) == 1 else None

    def probabilities(self, tile: np.ndarray) -> np.ndarray:
        return np.mean([engine.probabilities(tile) for engine in self.engines], axis=0)


def together(models: Sequence[Model]) -> Model:
    """The first model with the mean of all segmenters."""
    first = models[0].bundle.segmenter
    for model in models[1:]:
        other = model.bundle.segmenter
        if (other.tile, other.preprocessing) != (first.tile, first.preprocessing):
            raise SystemExit(f"{model.bundle.name} sees another grid, tile or resolution than {models[0].bundle.name}.")
    return replace(models[0], segmenter=Ensemble([model.segmenter for model in models]))


def main() -> int:
    """Score and print."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("bundles", nargs="+")
    arguments.add_argument("--data", type=Path, default=DATA / "openkbp")
    arguments.add_argument("--exclude", nargs="*", default=["pt_221"], metavar="CASE")
    arguments.add_argument("--output", type=Path, required=True)
    options = arguments.parse_args()
    models = [open_model(bundle) for bundle in options.bundles]
    names = ", ".join(f"{model.bundle.name} {model.bundle.version}" for model in models)
    results = judge_model(
        together(models),
        DatasetFolder.open(options.data),
        "validation",
        options.output,
        exclude=options.exclude,
        masks=options.output / "masks",
        about={"name": f"mean of {names}"},
        report=lambda line: None,
    )
    forget_progress(options.output)
    print(f"mean of {names}\n\n{table(results.rows, results.structures)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
