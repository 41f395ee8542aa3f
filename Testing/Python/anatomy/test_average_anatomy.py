"""The average anatomy: made of a few synthetic heads, and as it ships."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from ParotidSegLib.errors import DataError
from ParotidSegLib.structures import PAROTIDS
from ParotidSegTrainingLib.anatomy import average_anatomy
from ParotidSegTrainingLib.anatomy.average_anatomy import (
    build_template,
    covered_slices,
    interquartile_mean,
    prepare_patient,
    rotation_from_x_to,
)
from ParotidSegTrainingLib.anatomy.template_alignment import (
    Patient,
    TemplateSettings,
    without_mean_affine,
    without_mean_displacement,
)

SAMPLE = Path(__file__).parents[3] / "ParotidSeg" / "Resources" / "SampleData"
SMALL = TemplateSettings(
    lower=(-80.0, -88.0, -72.0),
    upper=(80.0, 88.0, 72.0),
    margin=8.0,
    working_spacing=8.0,
    output_spacing=6.0,
    affine_rounds=1,
    demons_rounds=2,
    demons_levels=((8.0, 10),),
    demons_smoothing=1.0,
    fewest_patients=2,
)
#: Shift (mm) and size of each synthetic head; the mean size is 1.
HEADS = (((15.0, -4.0, 3.0), 0.92), ((-8.0, 6.0, 0.0), 1.08), ((0.0, 11.0, -9.0), 0.97), ((5.0, 0.0, 6.0), 1.03))


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """The order of summation, and so the last digit, depends on the number of threads."""
    before = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    yield
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(before)


def a_head(shift: tuple[float, float, float], size: float) -> tuple[sitk.Image, sitk.Image]:
    """An ellipsoid of soft tissue with a bony core in front and two glands, left at larger x; CT and label map."""
    shape, spacing, origin = (36, 52, 48), (4.0, 4.0, 5.0), np.array([100.0, -300.0, 40.0])
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing="ij")[::-1], axis=-1) * spacing
    point = (grid - np.array([96.0, 104.0, 90.0]) - shift) / size

    def inside(centre: tuple[float, float, float], radii: tuple[float, float, float]) -> np.ndarray:
        return (((point - centre) / radii) ** 2).sum(axis=-1) < 1.0

    ct = np.full(shape, -1024, np.int16)
    ct[inside((0, 0, 0), (65, 80, 70))] = 40
    ct[inside((0, -40, 0), (25, 20, 30))] = 900
    labels = np.zeros(shape, np.uint8)
    for label, x in ((1, -45.0), (2, 45.0)):
        gland = inside((x, 5, -8), (13, 16, 20))
        ct[gland], labels[gland] = -20, label
    images = [sitk.GetImageFromArray(ct), sitk.GetImageFromArray(labels)]
    for image in images:
        image.SetSpacing(spacing)
        image.SetOrigin(origin.tolist())
    return images[0], images[1]


def centroid_and_volume(labels: sitk.Image, label: int) -> tuple[np.ndarray, float]:
    """Centroid (x, y, z; mm) and volume (mL) of one label."""
    statistics = sitk.LabelShapeStatisticsImageFilter()
    statistics.Execute(labels)
    return np.array(statistics.GetCentroid(label)), statistics.GetPhysicalSize(label) / 1000.0


@pytest.fixture(scope="module")
def heads() -> list[Patient]:
    return [prepare_patient(*a_head(shift, size)) for shift, size in HEADS]


@pytest.fixture(scope="module")
def average_of_heads(heads: list[Patient]) -> tuple[sitk.Image, sitk.Image]:
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    return build_template(heads, SMALL)


def test_the_average_has_each_gland_on_its_own_side_at_the_mean_place(
    average_of_heads: tuple[sitk.Image, sitk.Image],
) -> None:
    _, labels = average_of_heads
    for label, x in ((1, -45.0), (2, 45.0)):
        centroid, _ = centroid_and_volume(labels, label)
        np.testing.assert_allclose(centroid, [x, 0.0, 0.0], atol=3.0)


def test_the_average_has_the_mean_size_and_the_heads_gray_values(
    average_of_heads: tuple[sitk.Image, sitk.Image],
) -> None:
    ct, labels = average_of_heads
    true_volume = 4.0 / 3.0 * np.pi * 13 * 16 * 20 / 1000.0
    for structure in PAROTIDS:
        assert centroid_and_volume(labels, structure.label)[1] == pytest.approx(true_volume, rel=0.2)
    # The glands' middle is the origin; the head's middle lies 5 mm in front of it and 8 mm above it.
    for point, hu in (((0, 20, 8), 40), ((0, -45, 8), 900), ((45, 0, 0), -20), ((77, -80, 60), -1000)):
        assert ct[ct.TransformPhysicalPointToIndex([float(n) for n in point])] == pytest.approx(hu, abs=15)


def test_two_workers_give_the_same_average_as_one(
    heads: list[Patient], average_of_heads: tuple[sitk.Image, sitk.Image]
) -> None:
    again = build_template(heads, SMALL, workers=2)
    for one, other in zip(average_of_heads, again, strict=True):
        np.testing.assert_array_equal(sitk.GetArrayViewFromImage(one), sitk.GetArrayViewFromImage(other))


def test_alignment_leaves_no_mean_affine_and_no_mean_displacement() -> None:
    generator = np.random.default_rng(7)
    grid = SMALL.working_grid()
    smooth = [sitk.GetImageFromArray(generator.normal(size=(*grid.GetSize()[::-1], 3)), isVector=True) for _ in HEADS]
    patients = []
    for noise, (shift, size) in zip(smooth, HEADS, strict=True):
        noise.CopyInformation(grid)
        wave = sitk.SmoothingRecursiveGaussian(noise, 25.0)
        array = sitk.GetArrayFromImage(wave)
        displacement = sitk.GetImageFromArray(array / array.std() * 1.5 + np.array(shift) / 4, isVector=True)
        displacement.CopyInformation(grid)
        affine = sitk.AffineTransform((np.eye(3) * size).ravel().tolist(), shift)
        patients.append(Patient(grid, grid, grid, affine, displacement))
    patients = without_mean_displacement(without_mean_affine(patients))
    np.testing.assert_allclose(np.mean([p.affine.GetMatrix() for p in patients], axis=0), np.eye(3).ravel(), atol=1e-9)
    np.testing.assert_allclose(np.mean([p.affine.GetTranslation() for p in patients], axis=0), 0.0, atol=1e-9)
    mean = np.mean([sitk.GetArrayFromImage(p.displacement) for p in patients], axis=0)
    assert np.abs(mean[3:-3, 3:-3, 3:-3]).max() < 0.2


def test_slices_that_keep_only_an_organ_count_as_not_scanned() -> None:
    ct = np.full((9, 10, 10), -1024.0, np.float32)
    ct[2:7] = 30.0
    ct[[0, 8], 4:6, 4:6] = 30.0
    assert covered_slices(ct, 4) == (2, 6)
    assert covered_slices(ct[2:7], 2) == (0, 4)


def test_the_interquartile_mean_ignores_outliers_and_patients_that_were_not_scanned() -> None:
    stack = np.array([[10, 1, np.nan], [12, 2, np.nan], [3000, 3, np.nan], [-900, np.nan, 5]], np.float32)
    np.testing.assert_array_equal(interquartile_mean(stack, 2), np.array([11, 2, np.nan], np.float32))


def test_the_first_rotation_turns_x_to_the_gland_axis_and_nothing_else() -> None:
    axis = np.array([5.0, 1.0, -2.0])
    rotation = rotation_from_x_to(axis)
    np.testing.assert_allclose(rotation @ [1, 0, 0], axis / np.linalg.norm(axis))
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(rotation @ np.cross([1, 0, 0], axis), np.cross([1, 0, 0], axis), atol=1e-12)


def test_a_patient_without_one_gland_is_refused_with_one_sentence() -> None:
    ct, labels = a_head(*HEADS[0])
    with pytest.raises(DataError, match=r"lacks one of the two parotid glands; leave that patient out[^.]*\.$"):
        prepare_patient(ct, sitk.Cast(labels == 1, sitk.sitkUInt8))


def test_the_command_says_when_there_are_too_few_patients(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for folder, image in zip(("images", "masks"), a_head(*HEADS[0]), strict=True):
        (tmp_path / folder).mkdir()
        sitk.WriteImage(image, str(tmp_path / folder / "one.nii.gz"))
    (tmp_path / "splits.json").write_text(json.dumps({"train": ["one"]}), encoding="utf-8")
    assert average_anatomy.main(["--data", str(tmp_path), "--output", str(tmp_path / "out")]) == 1
    assert "at least 30 patients" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_written_files_are_found_again_on_one_grid(
    tmp_path: Path, average_of_heads: tuple[sitk.Image, sitk.Image]
) -> None:
    average_anatomy.write_template(*average_of_heads, tmp_path)
    ct, labels = (
        sitk.ReadImage(str(tmp_path / name)) for name in (average_anatomy.CT_NAME, average_anatomy.LABELS_NAME)
    )
    assert ct.IsSameImageGeometryAs(labels)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(ct), sitk.GetArrayFromImage(average_of_heads[0]))
    assert (ct.GetPixelID(), labels.GetPixelID()) == (sitk.sitkInt16, sitk.sitkUInt8)


@pytest.fixture(scope="module")
def sample() -> tuple[sitk.Image, sitk.Image]:
    ct, labels = (sitk.ReadImage(str(SAMPLE / name)) for name in (average_anatomy.CT_NAME, average_anatomy.LABELS_NAME))
    return ct, labels


def test_the_shipped_sample_is_small_and_on_one_grid_of_2_mm(sample: tuple[sitk.Image, sitk.Image]) -> None:
    ct, labels = sample
    np.testing.assert_allclose(ct.GetSpacing(), 2.0, atol=1e-5)
    np.testing.assert_allclose(ct.GetDirection(), np.eye(3).ravel(), atol=1e-6)
    assert ct.IsSameImageGeometryAs(labels)
    assert sum(path.stat().st_size for path in SAMPLE.iterdir()) < 4_000_000


def test_the_shipped_sample_has_both_glands_of_usual_size_on_their_sides(sample: tuple[sitk.Image, sitk.Image]) -> None:
    (right, right_volume), (left, left_volume) = (centroid_and_volume(sample[1], label) for label in (1, 2))
    assert set(np.unique(sitk.GetArrayViewFromImage(sample[1]))) == {0, 1, 2}
    assert 97.5 < left[0] - right[0] < 140.0
    assert 10.0 < right_volume < 60.0
    assert 10.0 < left_volume < 60.0


def test_the_shipped_sample_has_the_gray_values_of_a_ct(sample: tuple[sitk.Image, sitk.Image]) -> None:
    ct, labels = (sitk.GetArrayViewFromImage(image) for image in sample)
    assert ct.min() == -1000
    assert 1000 < ct.max() < 2500
    for structure in PAROTIDS:
        assert -60.0 < np.median(ct[labels == structure.label]) < 40.0
    body = np.count_nonzero(ct > -200)
    assert np.count_nonzero((ct > -130) & (ct < -70)) > 0.03 * body, "fat"
    assert np.count_nonzero((ct > -20) & (ct < 80)) > 0.3 * body, "muscle and brain"
    assert np.count_nonzero(ct > 200) > 0.05 * body, "bone"
