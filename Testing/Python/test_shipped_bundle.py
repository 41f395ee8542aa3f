"""The model that ships, on real patients that it was not trained on, through the same segment() that users run."""

from __future__ import annotations

import pytest

from Benchmarks.robustness import agreement, resampled
from ParotidSegLib.bundle import load_bundle
from ParotidSegLib.images import read_image
from ParotidSegLib.segmentation import open_model, segment
from ParotidSegLib.structures import PAROTIDS
from ParotidSegTrainingLib.data.dataset import DatasetFolder
from ParotidSegTrainingLib.judging.evaluation import evaluate
from ParotidSegTrainingLib.judging.results import missed, summaries

pytestmark = [pytest.mark.engine, pytest.mark.data]

#: Its reference contours lie a gland's length too low: a broken reference.
BROKEN_REFERENCE = "pt_221"


@pytest.fixture(scope="module")
def rows(data_root):
    folder = DatasetFolder.open(data_root / "openkbp")
    return evaluate(open_model("parotid-ct"), folder, "validation", exclude=[BROKEN_REFERENCE])


def test_no_gland_is_missed_and_no_side_swapped(rows):
    assert len(rows) == 30
    assert not any(row.swapped for row in rows)
    assert [missed(rows, structure.key) for structure in PAROTIDS] == [0, 0]


def test_the_mean_dice_is_the_one_in_the_model_card(rows):
    recorded = load_bundle("parotid-ct").validation["metrics"]
    measured = summaries(rows)
    for structure in PAROTIDS:
        mean = measured[structure.key]["dice"].mean
        assert mean == pytest.approx(recorded[structure.key]["dice"]["mean"], abs=0.002)
        assert mean >= 0.79


def test_the_model_card_carries_the_recorded_figures():
    bundle = load_bundle("parotid-ct")
    card = bundle.read("MODEL_CARD.md").decode("utf-8")
    for structure in PAROTIDS:
        figures = bundle.validation["metrics"][structure.key]["dice"]
        assert f"| {structure.side} | Dice | 30 | {figures['mean']:.3f} ± {figures['sd']:.3f} |" in card


@pytest.mark.parametrize("edge", [2.0, 4.0])
def test_one_patient_gets_one_contour_whatever_the_voxels(data_root, edge):
    """Without `preprocessing.resolution` the Dice at 4 mm was 0.91."""
    image, model = read_image(data_root / "clinical_ct" / "head_neck_1"), open_model("parotid-ct")
    same = agreement(segment(image, model), segment(resampled(edge)(image), model))
    assert min(same.values()) >= 0.95
