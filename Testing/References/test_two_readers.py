"""`evaluate` on two readers' contours of real scans writes what other packages compute from the same files.

SimpleITK: Dice, IoU and volumes. surface-distance: the surface metrics. statsmodels and pingouin: Bland-Altman, where
their definitions are ours (statsmodels takes the SD with ddof = 0; pingouin's intervals of the limits are the rounded
ones of 1986).
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ParotidSegLib.structures import PAROTIDS
from ParotidSegTrainingLib.cli import main
from ParotidSegTrainingLib.judging.agreement import BlandAltman
from ParotidSegTrainingLib.judging.results import Results, agreements, read_results, volumes

pytestmark = [
    pytest.mark.data,
    # surface-distance 0.1 uses names of SciPy that are deprecated.
    pytest.mark.filterwarnings("ignore:Please import .* from the `scipy.ndimage` namespace:DeprecationWarning"),
]

READERS = ("oncologist", "radiographer")
FILES = {"Parotid_R": "Parotid-Rt.nrrd", "Parotid_L": "Parotid-Lt.nrrd"}
#: (case, structure key) -> both readers' masks, cut to the slices that hold anything.
Masks = dict[tuple[str, str], list[sitk.Image]]


@pytest.fixture(scope="module")
def results(data_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Results:
    """What the command wrote: the radiographer's contours against the oncologist's."""
    folders = [str(data_root / "two_readers" / reader) for reader in READERS]
    output = tmp_path_factory.mktemp("readers") / "results"
    assert main(["evaluate", "--reference", folders[0], "--candidate", folders[1], "--output", str(output)]) == 0
    return read_results(output)


@pytest.fixture(scope="module")
def masks(data_root: Path) -> Masks:
    """The files, read without our code."""
    found = {}
    for folder in sorted((data_root / "two_readers" / READERS[0]).iterdir()):
        for key, name in FILES.items():
            pair = [sitk.ReadImage(str(data_root / "two_readers" / r / folder.name / name)) for r in READERS]
            filled = np.any([sitk.GetArrayViewFromImage(mask).any(axis=(1, 2)) for mask in pair], axis=0)
            first, last = int(np.flatnonzero(filled)[0]), int(np.flatnonzero(filled)[-1])
            found[folder.name, key] = [mask[:, :, first : last + 1] for mask in pair]
    return found


def test_overlap_and_volumes_are_those_of_simpleitk(results, masks):
    assert len(results.rows) == 7
    for row in results.rows:
        for key, scores in row.scores.items():
            pair = masks[row.case, key]
            overlap = sitk.LabelOverlapMeasuresImageFilter()
            overlap.Execute(*pair)
            assert scores.dice == pytest.approx(overlap.GetDiceCoefficient(1), abs=1e-12), (row.case, key)
            assert scores.iou == pytest.approx(overlap.GetJaccardCoefficient(1), abs=1e-12), (row.case, key)
            for mask, volume in zip(pair, (scores.volume_reference_ml, scores.volume_ml), strict=True):
                shape = sitk.LabelShapeStatisticsImageFilter()
                shape.ComputePerimeterOff()
                shape.Execute(mask)
                assert volume == pytest.approx(shape.GetPhysicalSize(1) / 1000.0)


def test_surface_metrics_are_those_of_surface_distance(results, masks):
    package = pytest.importorskip("surface_distance", reason="surface-distance is not installed")
    for row in results.rows:
        for key, scores in row.scores.items():
            pair = masks[row.case, key]
            arrays = [sitk.GetArrayViewFromImage(mask) > 0 for mask in pair]
            theirs = package.compute_surface_distances(*arrays, pair[0].GetSpacing()[::-1])
            where = (row.case, key)
            assert scores.hd95 == pytest.approx(package.compute_robust_hausdorff(theirs, 95), abs=1e-6), where
            directed = package.compute_average_surface_distance(theirs)
            assert scores.msd == pytest.approx(np.mean(directed), abs=1e-6), where
            expected = {mm: package.compute_surface_dice_at_tolerance(theirs, mm) for mm in scores.nsd}
            assert scores.nsd == pytest.approx(expected, abs=1e-6), where


def test_no_side_is_swapped_and_the_readers_agree_within_limits(results):
    assert not any(row.swapped for row in results.rows)
    for key, found in agreements(results.rows).items():
        differences = [row.scores[key].volume_ml - row.scores[key].volume_reference_ml for row in results.rows]
        assert found.bias.value == pytest.approx(np.mean(differences))
        assert found.bias.low < 0.0 < found.bias.high
        assert found.lower.value < min(differences) and max(differences) < found.upper.value


@pytest.fixture(params=[structure.key for structure in PAROTIDS])
def agreement(request: pytest.FixtureRequest, results: Results) -> tuple[BlandAltman, np.ndarray, np.ndarray]:
    """Our statistics of one gland, and its volumes by both readers."""
    oncologist, radiographer = volumes(results.rows)[request.param]
    return agreements(results.rows)[request.param], np.array(oncologist), np.array(radiographer)


@pytest.fixture
def figure() -> Figure:
    figure = Figure()
    FigureCanvasAgg(figure)
    return figure


def test_bias_limits_and_slope_of_the_readers_agree_with_statsmodels(agreement, figure):
    graphics = pytest.importorskip("statsmodels.graphics.agreement", reason="statsmodels is not installed")
    from statsmodels.regression.linear_model import OLS

    ours, oncologist, radiographer = agreement
    axes = figure.add_subplot()
    graphics.mean_diff_plot(radiographer, oncologist, sd_limit=1.96, ax=axes)
    middle, lower, upper = (line.get_ydata()[0] for line in axes.lines)
    assert ours.bias.value == pytest.approx(middle)
    from_ddof_1 = math.sqrt((ours.n - 1) / ours.n)
    assert (ours.lower.value - ours.bias.value) * from_ddof_1 == pytest.approx(lower - middle)
    assert (ours.upper.value - ours.bias.value) * from_ddof_1 == pytest.approx(upper - middle)
    means = (oncologist + radiographer) / 2.0
    line = OLS(radiographer - oncologist, np.column_stack([np.ones(ours.n), means])).fit()
    assert (ours.slope, ours.slope_p) == pytest.approx((line.params[1], line.pvalues[1]))


def test_bias_and_limits_of_the_readers_agree_with_pingouin(agreement, figure):
    pingouin = pytest.importorskip("pingouin", reason="pingouin is not installed")
    ours, oncologist, radiographer = agreement
    axes = figure.add_subplot()
    pingouin.plot_blandaltman(radiographer, oncologist, agreement=1.96, confidence=0.95, ax=axes)
    _, middle, upper, lower = (line.get_ydata()[0] for line in axes.lines)
    assert (ours.bias.value, ours.lower.value, ours.upper.value) == pytest.approx((middle, lower, upper))
    of_bias = axes.patches[0].get_path().get_extents(axes.patches[0].get_patch_transform())
    assert (ours.bias.low, ours.bias.high) == pytest.approx((of_bias.y0, of_bias.y1))
