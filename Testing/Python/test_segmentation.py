"""The whole way, with the model that ships: orientation, laterality, engines, and scans that are cut."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest
import SimpleITK as sitk
from made_images import like, made_head
from orientations import all_orientations, rotation
from sentences import refusal

from ParotidSegLib.errors import ImageError
from ParotidSegLib.glands.localization import Location
from ParotidSegLib.measuring.metrics import dice
from ParotidSegLib.model.engines import installed_engines
from ParotidSegLib.reading.images import read_image
from ParotidSegLib.segmentation import Model, open_model, segment
from ParotidSegLib.structures import LEFT_PAROTID, PAROTIDS, RIGHT_PAROTID

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def model() -> Model:
    return open_model("parotid-ct")


@pytest.fixture(scope="module")
def sample(sample_ct) -> sitk.Image:
    return read_image(sample_ct)


@pytest.fixture(scope="module")
def result(sample, model):
    return segment(sample, model)


def glands_on(labels: sitk.Image, grid: sitk.Image) -> np.ndarray:
    """Labels carried to the voxels of another image by the nearest voxel."""
    nearest = sitk.Resample(labels, grid, sitk.Transform(), sitk.sitkNearestNeighbor, 0, sitk.sitkUInt8)
    return sitk.GetArrayFromImage(nearest)


def dice_of_glands(a: np.ndarray, b: np.ndarray) -> list[float]:
    return [dice(a == structure.label, b == structure.label) for structure in PAROTIDS]


def test_both_glands_of_the_sample_are_found_each_on_its_side(sample, result):
    assert all(10.0 < volume < 60.0 for volume in result.volumes_ml.values())
    right, left = (np.array(result.measurements[s.key].centroid) for s in (RIGHT_PAROTID, LEFT_PAROTID))
    assert 90.0 < left[0] - right[0] < 145.0  # x rises to the patient's left
    assert not [finding for finding in result.findings if finding.severity == "error"]


def test_the_contours_of_the_sample_agree_with_its_average_contours(result, sample_labels):
    reference = sitk.GetArrayFromImage(sitk.ReadImage(str(sample_labels)))
    assert min(dice_of_glands(reference, sitk.GetArrayFromImage(result.labels))) > 0.80


def test_the_labels_lie_on_the_exact_grid_of_the_scan(sample, result):
    assert result.labels.GetSize() == sample.GetSize()
    assert result.labels.GetSpacing() == sample.GetSpacing()
    assert result.labels.GetOrigin() == sample.GetOrigin()
    assert result.labels.GetDirection() == sample.GetDirection()
    assert result.labels.GetPixelID() == sitk.sitkUInt8
    assert set(np.unique(sitk.GetArrayViewFromImage(result.labels))) == {0, 1, 2}


def test_the_48_orientations_of_a_scan_give_the_same_glands_in_physical_space(sample, model, result):
    expected = sitk.GetArrayFromImage(result.labels)
    count = 0
    for image in all_orientations(sample):
        labels = segment(image, model).labels
        assert labels.GetDirection() == image.GetDirection()
        assert min(dice_of_glands(expected, glands_on(labels, sample))) >= 0.99
        count += 1
    assert count == 48


@pytest.mark.parametrize("angles", [(12.0, -9.0, 15.0), (5.0, 3.0, -4.0)])
def test_an_oblique_grid_gives_the_same_glands_in_physical_space(sample, model, result, angles):
    """The same patient sampled along straight and along tilted axes.

    At 0.5 mm, because at 1 mm the voxels of two grids alone, of one and the same surface, bring Dice down to 0.98.
    """
    middle = np.mean([measurement.centroid for measurement in result.measurements.values()], axis=0)
    straight = _sampled_around(middle, sample, rotation(0.0, 0.0, 0.0))
    found = segment(_sampled_around(middle, sample, rotation(*angles)), model)
    expected = sitk.GetArrayFromImage(segment(straight, model).labels)
    for structure in PAROTIDS:
        mask = sitk.Cast(found.labels == structure.label, sitk.sitkFloat32)
        carried = sitk.Resample(mask, straight, sitk.Transform(), sitk.sitkLinear, 0.0, sitk.sitkFloat32)
        assert dice(expected == structure.label, sitk.GetArrayFromImage(carried) > 0.5) >= 0.99
    right, left = (found.measurements[s.key].centroid for s in (RIGHT_PAROTID, LEFT_PAROTID))
    assert left[0] - right[0] > 90.0


def _sampled_around(middle: np.ndarray, image: sitk.Image, direction: list[float]) -> sitk.Image:
    """The image at 0.5 mm on a grid of this direction that covers a box around the glands."""
    edge = 0.5
    matrix = np.reshape(direction, (3, 3))
    size = np.ceil(np.abs(matrix.T) @ np.array([200.0, 130.0, 112.0]) / edge).astype(int)
    origin = middle - matrix @ ((size - 1) / 2.0 * edge)
    return sitk.Resample(
        image, size.tolist(), sitk.Transform(), sitk.sitkLinear, origin.tolist(), [edge] * 3, direction, -1024.0
    )


def test_a_mirrored_patient_gets_mirrored_glands_with_the_sides_swapped(sample, model, result):
    mirrored = like(sample, np.ascontiguousarray(sitk.GetArrayFromImage(sample)[:, :, ::-1]))
    found = sitk.GetArrayFromImage(segment(mirrored, model).labels)[:, :, ::-1]
    swapped = np.array([0, LEFT_PAROTID.label, RIGHT_PAROTID.label], np.uint8)[found]
    assert min(dice_of_glands(sitk.GetArrayFromImage(result.labels), swapped)) >= 0.99


@pytest.mark.parametrize("keep", ["below the middle", "above the middle"])
def test_a_scan_that_ends_inside_a_gland_is_segmented_with_a_finding(sample, model, result, keep):
    z = int(np.argwhere(sitk.GetArrayFromImage(result.labels) == 1)[:, 0].mean())
    cut = sample[:, :, : z + 1] if keep == "below the middle" else sample[:, :, z:]
    found = segment(cut, model)
    assert set(found.volumes_ml) == {RIGHT_PAROTID.key, LEFT_PAROTID.key}
    assert [f.structure for f in found.findings if f.code == "gland-cut-by-scan"] == ["Parotid_R", "Parotid_L"]
    level = cut.TransformIndexToPhysicalPoint((0, 0, cut.GetSize()[2] - 1 if keep == "below the middle" else 0))[2]
    places = [f.point for f in found.findings if f.code == "gland-cut-by-scan"]
    assert all(point is not None and point[2] == pytest.approx(level) for point in places)


def test_a_region_that_cuts_a_gland_is_widened_until_it_does_not(sample, model, result, monkeypatch):
    """The locator is made to be wrong by 50 mm: the first region ends within the glands."""
    middles = [np.array(result.measurements[s.key].centroid) for s in (RIGHT_PAROTID, LEFT_PAROTID)]
    off = Location(*(middle + np.array([0.0, 50.0, 0.0]) for middle in middles))
    monkeypatch.setattr("ParotidSegLib.segmentation.locate", lambda *_, **__: off)
    found = segment(sample, model)
    assert found.provenance["options"]["widenings"] > 0
    assert min(dice_of_glands(*(sitk.GetArrayFromImage(r.labels) for r in (found, result)))) > 0.95
    assert "contour-cut-by-region" not in [finding.code for finding in found.findings]


def test_a_scan_without_a_head_is_refused_with_one_sentence(model):
    text = refusal(ImageError, segment, made_head(size=(60, 60, 40)), model)
    assert "head and neck" in text


def test_a_real_scan_without_its_head_is_refused_with_one_sentence(model, data_root):
    image = read_image(data_root / "clinical_ct" / "head_neck_1")
    shoulders = image[:, :, :22]
    assert "head and neck" in refusal(ImageError, segment, shoulders, model)


@pytest.mark.data
def test_the_engines_agree_on_the_gland_voxels_of_real_scans(data_root):
    if len(installed_engines()) < 2:
        pytest.skip("only one engine is installed")
    models = [open_model("parotid-ct", engine=engine) for engine in installed_engines()]
    for case in ("pt_203", "pt_219", "pt_239"):
        image = read_image(data_root / "openkbp" / "images" / f"{case}.nii.gz")
        a, b = (sitk.GetArrayFromImage(segment(image, model).labels) for model in models)
        either = (a > 0) | (b > 0)
        assert np.mean(a[either] == b[either]) >= 0.999


@pytest.mark.data
def test_the_glands_of_a_full_resolution_dicom_ct_are_found(model, data_root):
    result = segment(read_image(data_root / "clinical_ct" / "head_neck_1"), model)
    assert all(10.0 < volume < 60.0 for volume in result.volumes_ml.values())
    right, left = (result.measurements[s.key].centroid for s in (RIGHT_PAROTID, LEFT_PAROTID))
    assert 90.0 < left[0] - right[0] < 145.0
    assert all(-60.0 < measurement.mean_hu < 60.0 for measurement in result.measurements.values())


def test_progress_rises_to_one_and_names_its_stages(sample, model):
    seen = []
    segment(sample, model, progress=lambda stage, fraction, message: seen.append((stage, fraction)))
    fractions = [fraction for _, fraction in seen]
    assert all(later >= earlier - 1e-9 for earlier, later in pairwise(fractions))
    assert fractions[-1] == 1.0
    stages = list(dict.fromkeys(stage for stage, _ in seen))
    assert stages == ["check", "locate", "segment", "restore", "quality", "done"]


def test_the_report_holds_provenance_and_nothing_of_the_patient(result):
    report = result.report()
    assert report["provenance"]["bundle"]["name"] == "parotid-ct"
    assert len(report["provenance"]["bundle"]["sha256"]) == 64
    assert set(report) == {"structures", "findings", "timings_s", "provenance"}
    assert set(report["provenance"]) == {"software", "bundle", "engine", "options", "scan"}


def test_the_mirrored_pass_can_be_left_out(sample, model, result):
    plain = segment(sample, model, mirror=False)
    assert plain.provenance["options"]["mirror"] is False
    assert min(dice_of_glands(*(sitk.GetArrayFromImage(r.labels) for r in (plain, result)))) > 0.9


def test_where_the_model_is_unsure_lies_along_the_contours_on_the_grid_of_the_scan(sample, model, result):
    assert result.uncertainty is None
    again = segment(sample, model, uncertainty=True)
    unsure, labels = sitk.GetArrayFromImage(again.uncertainty), sitk.GetArrayFromImage(again.labels)
    assert again.uncertainty.GetSize() == sample.GetSize()
    assert again.uncertainty.GetOrigin() == sample.GetOrigin()
    assert again.uncertainty.GetDirection() == sample.GetDirection()
    assert unsure.max() <= 100
    glands = again.labels != 0
    core = sitk.GetArrayFromImage(sitk.BinaryErode(glands, (3, 3, 3))) > 0
    rim = (sitk.GetArrayFromImage(sitk.BinaryDilate(glands, (1, 1, 1))) > 0) & ~core & (labels == 0)
    assert unsure[rim].mean() > 2.0 * unsure[core].mean()
    far = sitk.GetArrayFromImage(sitk.BinaryDilate(glands, (15, 15, 15))) == 0
    assert unsure[far].mean() < 2.0


@pytest.mark.parametrize("engine", installed_engines())
def test_one_opened_model_serves_four_threads_at_once(sample, engine):
    opened = open_model("parotid-ct", engine=engine)
    alone = sitk.GetArrayFromImage(segment(sample, opened).labels)
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(lambda _: segment(sample, opened), range(4)))
    for one in together:
        np.testing.assert_array_equal(sitk.GetArrayFromImage(one.labels), alone)


def test_a_gland_is_drawn_up_to_the_end_of_the_scan_and_not_in_the_empty_slices_beyond(sample, model, result):
    right = sitk.GetArrayFromImage(result.labels) == RIGHT_PAROTID.label
    heights = np.flatnonzero(right.any(axis=(1, 2)))
    end = int(heights[0] + 0.6 * len(heights))  # the scan's last slice, above the middle of the gland
    array = sitk.GetArrayFromImage(sample)
    array[end + 1 :] = -1024
    drawn = sitk.GetArrayFromImage(segment(like(sample, array), model).labels)
    whole = sitk.GetArrayFromImage(result.labels)
    for structure in PAROTIDS:
        last = drawn[end] == structure.label
        assert last.any()
        assert dice(last, whole[end] == structure.label) > 0.7
    assert not drawn[end + 1 :].any()
