"""What is measured of a contour, on made glands in a made head: in mm and mL, alike for both sides and any voxels."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from orientations import all_orientations

from ParotidSegLib.doubting.disagreement import disagreement
from ParotidSegLib.doubting.drawn import Drawn, Scan
from ParotidSegLib.doubting.findings import measures_of
from ParotidSegLib.doubting.shape import shape_measures, without_holes
from ParotidSegLib.structures import LEFT_PAROTID, PAROTIDS, RIGHT_PAROTID

#: The head: 2.5 mm voxels, as the working grid has them; its middle in LPS.
SPACING, SHAPE, ORIGIN = (2.5, 2.5, 2.5), (40, 76, 80), (-98.75, -93.75, -48.75)
MIDDLES = {1: (-57.0, 8.0, 0.0), 2: (57.0, 8.0, 0.0)}
RADII = (12.0, 16.0, 24.0)


def places() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    z, y, x = (o + np.arange(n) * s for o, n, s in zip(reversed(ORIGIN), SHAPE, reversed(SPACING), strict=True))
    return x[None, None, :], y[None, :, None], z[:, None, None]


def ellipsoid(middle, radii) -> np.ndarray:
    return sum(((c - m) / r) ** 2 for c, m, r in zip(places(), middle, radii, strict=True)) < 1.0


def as_image(array: np.ndarray) -> sitk.Image:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(SPACING)
    image.SetOrigin(ORIGIN)
    return image


def a_head() -> sitk.Image:
    values = np.full(SHAPE, -1000.0, np.float32)
    values[np.broadcast_to(np.hypot(places()[0] / 88.0, places()[1] / 85.0) < 1.0, SHAPE)] = 50.0
    for middle in MIDDLES.values():
        values[ellipsoid(middle, RADII)] = -20.0
    # The jaw of each side, before the gland and nearer to the middle.
    for side in (-1.0, 1.0):
        values[ellipsoid((side * 45.0, -12.0, -5.0), (5.0, 14.0, 20.0))] = 700.0
    return as_image(values)


def labels_of(**changes) -> np.ndarray:
    """uint8 labels; right= or left= gives another mask for a gland."""
    labels = np.zeros(SHAPE, np.uint8)
    for structure in PAROTIDS:
        mask = changes.get(structure.side, ellipsoid(MIDDLES[structure.label], RADII))
        labels[mask] = structure.label
    return labels


def drawn(labels: np.ndarray, structure=RIGHT_PAROTID, automatic: np.ndarray | None = None) -> Drawn:
    scan = Scan.about(a_head(), as_image(labels))
    theirs = None if automatic is None else scan.label_arrays(as_image(automatic))
    return Drawn.of(scan, structure, scan.label_arrays(as_image(labels)), theirs)


def test_both_glands_of_a_symmetric_head_have_the_same_measures():
    labels = labels_of()
    right, left = (measures_of(drawn(labels, structure)) for structure in PAROTIDS)
    assert right.keys() == left.keys()
    for name, value in right.items():
        if np.isfinite(value):
            assert left[name] == pytest.approx(value, abs=0.02 + 0.02 * abs(value)), name


def test_size_and_place_are_in_millimetres():
    measures = measures_of(drawn(labels_of()))
    assert np.exp(measures["volume"]) == pytest.approx(4.0 / 3.0 * np.pi * np.prod(RADII) / 1000.0, rel=0.03)
    assert measures["to_the_side"] == pytest.approx(57.0, abs=1.5)
    assert measures["likeness"] > 0.97
    assert measures["bone_in"] == pytest.approx(12.0, abs=2.5)
    assert measures["bone_back"] == pytest.approx(-20.0, abs=3.0)
    assert measures["hu"] == pytest.approx(-20.0, abs=5.0)


def test_a_scan_in_any_of_the_48_orientations_has_the_same_measures():
    labels = labels_of(right=ellipsoid((-57.0, 8.0, 4.0), (12.0, 14.0, 20.0)))
    automatic = labels_of()
    gland = drawn(labels, RIGHT_PAROTID, automatic)
    expected = {**measures_of(gland), **disagreement(gland)}
    stored = (all_orientations(as_image(array)) for array in (labels, automatic))
    for number, (image, one, two) in enumerate(zip(all_orientations(a_head()), *stored, strict=True)):
        if number % 7:  # one of each permutation of the axes, with different ones reversed
            continue
        scan = Scan.about(image, one)
        turned = Drawn.of(scan, RIGHT_PAROTID, scan.label_arrays(one), scan.label_arrays(two))
        found = {**measures_of(turned), **disagreement(turned)}
        for name, value in expected.items():
            if np.isfinite(value):
                assert found[name] == pytest.approx(value, abs=1e-3 + 1e-3 * abs(value)), name


def test_empty_slices_holes_and_pieces_are_counted():
    mask = ellipsoid(MIDDLES[1], RADII)
    gap = mask.copy()
    gap[19:21] = False
    assert shape_measures(drawn(labels_of(right=gap)))["empty_slices"] == 2
    hole = mask & ~ellipsoid(MIDDLES[1], (6.0, 6.0, 6.0))
    assert shape_measures(drawn(labels_of(right=hole)))["holes"] == pytest.approx(0.9, abs=0.15)
    stray = mask | ellipsoid((-57.0, -40.0, 0.0), (6.0, 6.0, 6.0))
    measures = shape_measures(drawn(labels_of(right=stray)))
    assert measures["stray_share"] == pytest.approx(0.045, abs=0.01)
    assert measures["stray_distance"] == pytest.approx(53.0, abs=4.0)
    usual = shape_measures(drawn(labels_of()))
    assert (usual["empty_slices"], usual["holes"], usual["stray_share"]) == (0.0, 0.0, 0.0)


def test_a_hole_is_filled_in_its_slice_and_a_bay_is_not():
    mask = np.zeros((2, 6, 6), bool)
    mask[:, 1:5, 1:5] = True
    mask[0, 2, 2] = mask[1, 2, 1:3] = False
    filled = without_holes(mask)
    assert filled[0, 2, 2]
    assert not filled[1, 2, 1:3].any()
    assert (filled ^ mask).sum() == 1


@pytest.mark.parametrize("structure", PAROTIDS, ids=lambda structure: structure.side)
def test_a_displaced_contour_is_displaced_by_so_much_in_this_direction(structure):
    x, y, z = MIDDLES[structure.label]
    outward = -1.0 if structure is RIGHT_PAROTID else 1.0
    moved = ellipsoid((x - 5.0 * outward, y + 7.5, z - 10.0), RADII)
    found = disagreement(drawn(labels_of(**{structure.side: moved}), structure, labels_of()))
    assert (found["up"], found["back"], found["in"]) == pytest.approx((-10.0, 7.5, 5.0), abs=0.7)
    assert found["beyond_top"] == pytest.approx(-10.0, abs=2.6)
    assert found["beyond_bottom"] == pytest.approx(10.0, abs=2.6)
    assert found["size"] == pytest.approx(0.0, abs=0.03)


def test_without_an_automatic_contour_nothing_is_said_of_it():
    assert disagreement(drawn(labels_of())) == {}
    assert disagreement(drawn(labels_of(), LEFT_PAROTID, np.zeros(SHAPE, np.uint8))) == {}


def test_fine_and_coarse_voxels_of_one_contour_measure_alike():
    image, labels = a_head(), as_image(labels_of())
    fine = sitk.Image([160, 152, 40], sitk.sitkUInt8)
    fine.SetSpacing((1.25, 1.25, 2.5))
    fine.SetOrigin((ORIGIN[0] - 0.625, ORIGIN[1] - 0.625, ORIGIN[2]))
    nearest = sitk.sitkNearestNeighbor
    finer = (sitk.Resample(each, fine, sitk.Transform(), nearest) for each in (image, labels))
    found = []
    for one, two in ((image, labels), tuple(finer)):
        scan = Scan.about(one, two)
        found.append(measures_of(Drawn.of(scan, RIGHT_PAROTID, scan.label_arrays(two))))
    for name in ("volume", "height", "to_the_side", "mean_depth", "roughness", "bend"):
        assert found[1][name] == pytest.approx(found[0][name], abs=1.5, rel=0.05), name
