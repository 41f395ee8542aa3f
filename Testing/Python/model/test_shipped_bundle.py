"""The models that ship, on real patients that they were not trained on, through the same segment() that users run."""

from __future__ import annotations

import io
import re

import matplotlib.image
import numpy as np
import pytest

from Benchmarks.robustness import changed_scan, dice, on, site_of
from ParotidSegLib.model.bundle import load_bundle, shipped_bundles
from ParotidSegLib.model.engines import open_engine
from ParotidSegLib.reading.images import read_image
from ParotidSegLib.segmentation import open_model, segment
from ParotidSegLib.structures import PAROTIDS
from ParotidSegLib.writing.pages.plots import COLOUR_A, COLOUR_B
from ParotidSegTrainingLib.data.dataset import DatasetFolder
from ParotidSegTrainingLib.judging.evaluation import evaluate
from ParotidSegTrainingLib.judging.overlays import COLOUR_REFERENCE
from ParotidSegTrainingLib.judging.results import missed, summaries

pytestmark = [pytest.mark.engine, pytest.mark.data]

#: Its reference contours lie a gland's length too low: a broken reference.
BROKEN_REFERENCE = "pt_221"
#: The models learned from what two readers drew of these validation patients.
LEARNED_FROM = ("pt_206", "pt_212", "pt_233")


@pytest.fixture(scope="module", params=shipped_bundles())
def model(request):
    return open_model(request.param)


@pytest.fixture(scope="module")
def rows(model, data_root):
    folder = DatasetFolder.open(data_root / "openkbp")
    return evaluate(model, folder, "validation", exclude=[BROKEN_REFERENCE, *LEARNED_FROM])


def test_both_models_ship():
    assert shipped_bundles() == ["parotid-ct", "parotid-ct-attention"]
    networks = [load_bundle(name).segmenter.network for name in shipped_bundles()]
    assert networks == ["residual_unet", "attention_unet"]


def test_no_gland_is_missed_and_no_side_swapped(rows):
    assert len(rows) == 27
    assert not any(row.swapped for row in rows)
    assert [missed(rows, structure.key) for structure in PAROTIDS] == [0, 0]


def test_the_mean_dice_is_the_one_in_the_model_card(model, rows):
    recorded = model.bundle.validation["metrics"]
    measured = [summaries(rows)[structure.key]["dice"].mean for structure in PAROTIDS]
    assert measured == pytest.approx([recorded[s.key]["dice"]["mean"] for s in PAROTIDS], abs=0.002)
    assert np.mean(measured) >= 0.77


def test_the_model_card_carries_the_recorded_figures_and_its_pictures(model):
    card = model.bundle.read("MODEL_CARD.md").decode("utf-8")
    for structure in PAROTIDS:
        figures = model.bundle.validation["metrics"][structure.key]["dice"]
        assert f"| {structure.side} | Dice | 27 | {figures['mean']:.3f} ± {figures['sd']:.3f} |" in card
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", card)
    assert pictures
    for name in pictures:
        pixels = matplotlib.image.imread(io.BytesIO(model.bundle.read(name)), format="png")[..., :3]
        found = {tuple(colour) for colour in np.unique(np.rint(pixels * 255).astype(int).reshape(-1, 3), axis=0)}
        assert {COLOUR_REFERENCE, COLOUR_A, COLOUR_B} <= found, f"{name} has lost the colours of its lines"


@pytest.fixture(scope="module")
def patient(data_root, model):
    image = read_image(data_root / "clinical_ct" / "head_neck_1")
    return image, segment(image, model)


@pytest.mark.parametrize("edge", [2.0, 4.0])
def test_one_patient_gets_one_contour_whatever_the_voxels(model, patient, edge):
    """Without `preprocessing.resolution` the Dice at 4 mm was 0.91."""
    image, contours = patient
    changed = segment(changed_scan(image, site_of(contours.labels), f"voxels of {edge} mm", "head_neck_1"), model)
    coarser = max(contours.labels, changed.labels, key=lambda labels: np.prod(labels.GetSpacing()))
    before, after = on(contours.labels, coarser), on(changed.labels, coarser)
    assert min(dice(before == s.label, after == s.label) for s in PAROTIDS) >= 0.95


@pytest.mark.engine
@pytest.mark.parametrize("role", ["locator", "segmenter"])
def test_both_engines_answer_alike_for_a_piece_larger_than_a_tile(role):
    pytest.importorskip("openvino")
    bundle = load_bundle()
    spec = getattr(bundle, role)
    engines = [open_engine(bundle, spec, name) for name in ("keras", "openvino")]
    step = engines[0].step
    assert step == engines[1].step == 8
    piece = np.random.default_rng(4).uniform(-1.0, 1.0, (*(edge + step for edge in spec.tile), 1)).astype(np.float32)
    one, other = (engine.probabilities(piece) for engine in engines)
    np.testing.assert_allclose(one, other, atol=1e-3)
