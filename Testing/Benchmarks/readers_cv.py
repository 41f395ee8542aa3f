"""How well does a recipe learn from careful readers? Cross-validation over the patients whose glands readers drew.

For every fold: train without any case of its patients, whoever drew it, make a bundle, and let it contour the fold's
patients, each through the segment() that users run. What comes out are label maps of all these patients, none by a
network that saw the patient's contours in this training; `parotidseg-train evaluate` scores them.

    python Testing/Benchmarks/readers_cv.py DATA RECIPE --start-from WEIGHTS --output FOLDER [--folds 4]
        [--readers oncologist] [--set FIELD=VALUE ...] [--mix SHARE] [--label DATASET [--first 40]]

DATA is what `parotidseg-train combine` writes: a case for each reference of a patient. In DATA and WEIGHTS "{fold}"
stands for the number of the fold. --mix gives WEIGHTS this share in the weights of each fold's bundle. --label lets
each fold's network contour patients of another data set that no reader drew, too: labels to train the next network of
that fold with.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
for module in ("ParotidSeg", "ParotidSegTraining"):
    sys.path.insert(0, str(ROOT / module))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from ParotidSegLib.segmentation import Model, open_model, segment  # noqa: E402
from ParotidSegLib.writing.export import write_segmentation  # noqa: E402
from ParotidSegTrainingLib import recipe as recipes  # noqa: E402
from ParotidSegTrainingLib.commands.fit import overrides_of  # noqa: E402
from ParotidSegTrainingLib.data.dataset import DatasetFolder  # noqa: E402
from ParotidSegTrainingLib.data.preparation_record import recorded_patients  # noqa: E402
from ParotidSegTrainingLib.training.bundling import make_bundle  # noqa: E402
from ParotidSegTrainingLib.training.mixture import Mixture  # noqa: E402
from ParotidSegTrainingLib.training.trainer import fit  # noqa: E402

#: Decides which patients share a fold; the same for every recipe, so that results are paired.
SEED = 13


def folds_of(folder: DatasetFolder, reader: str, folds: int) -> list[dict[str, str]]:
    """The patients that the reader drew, in folds: patient -> the case with the reader's contours."""
    patients = recorded_patients(folder.root)
    drawn = {patients[case]: case for case in folder.splits["train"] if case.endswith(f"_{reader}")}
    order = np.random.default_rng(SEED).permutation(sorted(drawn)).tolist()
    return [{patient: drawn[patient] for patient in sorted(order[number::folds])} for number in range(folds)]


def contour(model: Model, folder: DatasetFolder, cases: dict[str, str], output: Path) -> None:
    """Label maps of these patients (patient -> case) by the model."""
    for patient, case in cases.items():
        labels = segment(folder.read_images(case), model).labels
        write_segmentation(labels, output / f"{patient}.nii.gz", structures=model.bundle.structures)


def main() -> int:
    """Train and contour, fold by fold; folds that are finished are not done again."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("data")
    arguments.add_argument("recipe")
    arguments.add_argument("--start-from", required=True)
    arguments.add_argument("--output", type=Path, required=True)
    arguments.add_argument("--folds", type=int, default=4)
    arguments.add_argument("--readers", default="oncologist", help="whose cases tell which patients are divided")
    arguments.add_argument("--locator", type=Path, default=Path("parotid-ct"))
    arguments.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE")
    arguments.add_argument("--mix", type=float, metavar="SHARE")
    arguments.add_argument("--label", type=Path, metavar="DATASET")
    arguments.add_argument("--first", type=int, default=40, metavar="N", help="so many of them")
    options = arguments.parse_args()
    for number in range(1, options.folds + 1):
        own = options.output / f"fold_{number}"
        if (own / "done.json").is_file():
            continue
        recipe = recipes.load(options.recipe, overrides_of(options.set))
        folder = DatasetFolder.open(options.data.format(fold=number), recipe.preprocessing.inputs)
        patients = recorded_patients(folder.root)
        held_out = folds_of(folder, options.readers, options.folds)[number - 1]
        unseen = tuple(case for case, patient in patients.items() if patient in held_out)
        recipe = replace(recipe, exclude=(*recipe.exclude, *unseen))
        begin = Path(options.start_from.format(fold=number))
        fit(recipe, folder, own / "run", start_from=begin)
        bundle = make_bundle(
            own / recipe.name,
            name=recipe.name,
            version="0.0.1",
            segmenter_run=own / "run",
            locator_run=options.locator,
            choice="last",
            training={"data": f"without {', '.join(held_out)}"},
            description="One fold of a cross-validation.",
            mixed_with=Mixture(begin, options.mix) if options.mix else None,
        )
        model = open_model(str(bundle))
        contour(model, folder, held_out, options.output / "masks")
        if options.label:
            others, drawn = DatasetFolder.open(options.label), folds_of(folder, options.readers, 1)[0]
            chosen = [case for case in others.splits["train"] if case not in (*drawn, *recipe.exclude)]
            contour(model, others, {case: case for case in chosen[: options.first]}, own / "labels")
        (own / "done.json").write_text(json.dumps(sorted(held_out)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
