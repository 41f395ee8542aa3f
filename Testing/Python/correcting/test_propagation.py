"""Corrected slices stay, the rest of the gland follows, and nothing else is touched."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from made_corrections import (
    IDENTITY,
    array_of,
    dice,
    image_like,
    made_network,
    made_scan,
    slices_of,
    with_slices,
)
from orientations import all_orientations, rotation
from sentences import refusal

from ParotidSegLib import propagate
from ParotidSegLib.errors import ImageError

GRIDS = {
    "coarse": ((48, 26, 40), (3.5, 3.5, 2.5)),
    "fine": ((110, 60, 50), (1.5, 1.4, 2.0)),
    "thick slices": ((60, 40, 20), (2.5, 2.0, 5.0)),
}


@pytest.fixture(scope="module")
def scan():
    return made_scan()


def random_strokes(automatic: sitk.Image, generator: np.random.Generator) -> sitk.Image:
    """Some slices with blobs added, blobs taken away, or emptied, of both glands or one; beyond their ends, too."""
    labels = array_of(automatic)
    drawn = slices_of(automatic, 1)
    numbers = np.arange(max(0, drawn[0] - 3), min(len(labels), drawn[-1] + 4))
    rows, columns = np.indices(labels.shape[1:])
    for number in generator.choice(numbers, int(generator.integers(1, 6)), replace=False):
        for label in generator.choice([1, 2], int(generator.integers(1, 3)), replace=False):
            own = np.argwhere((labels == label).any(axis=0))
            centre = own[generator.integers(len(own))]
            blob = np.hypot(rows - centre[0], columns - centre[1]) < generator.uniform(1.5, 4.0)
            kind = generator.choice(["add", "remove", "empty"])
            if kind == "add":
                labels[number][blob & (labels[number] == 0)] = label
            else:
                labels[number][(blob if kind == "remove" else True) & (labels[number] == label)] = 0
    return image_like(automatic, labels)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("grid", GRIDS)
def test_every_changed_slice_is_the_same_bit_by_bit_afterwards(grid, seed):
    generator = np.random.default_rng(seed)
    made = made_scan(*GRIDS[grid], rotation(*generator.uniform(-20, 20, 3)) if seed % 3 == 0 else IDENTITY)
    corrected = made.automatic
    while np.array_equal(array_of(corrected), array_of(made.automatic)):
        corrected = random_strokes(made.automatic, generator)
    changed = (array_of(corrected) != array_of(made.automatic)).any(axis=(1, 2))
    result = propagate(
        made.image,
        made.automatic,
        corrected,
        uncertainty=made.uncertainty if seed % 2 else None,
        network=made_network() if seed % 4 < 2 else None,
        plane="axial",
    )
    assert np.array_equal(array_of(result.labels)[changed], array_of(corrected)[changed])
    assert result.labels.GetPixelID() == sitk.sitkUInt8
    assert set(np.unique(array_of(result.labels))) <= {0, 1, 2}


@pytest.mark.parametrize("network", [None, made_network()], ids=["residual", "network"])
def test_all_48_orientations_of_a_scan_give_the_same_glands_in_space(scan, network):
    numbers = slices_of(scan.automatic, 1)[[4, 12]]
    corrected = with_slices(scan.automatic, scan.wanted, numbers)
    expected = propagate(scan.image, scan.automatic, corrected, uncertainty=scan.uncertainty, network=network)
    assert not np.array_equal(array_of(expected.labels), array_of(corrected))
    orientations = zip(
        *map(all_orientations, (scan.image, scan.automatic, corrected, scan.uncertainty, expected.labels)), strict=True
    )
    for image, automatic, drawn, unsure, wanted in orientations:
        result = propagate(image, automatic, drawn, uncertainty=unsure, network=network)
        assert result.plane == "axial"
        assert np.array_equal(array_of(result.labels), array_of(wanted))
        assert result.added_ml == pytest.approx(expected.added_ml)


@pytest.mark.parametrize("network", [None, made_network()], ids=["residual", "network"])
def test_a_slice_that_was_looked_at_and_left_as_it_is_changes_nothing(scan, network):
    result = propagate(
        scan.image,
        scan.automatic,
        scan.automatic,
        slices={"Parotid_R": [15, 20], "Parotid_L": [18]},
        uncertainty=scan.uncertainty,
        network=network,
    )
    assert np.array_equal(array_of(result.labels), array_of(scan.automatic))


def test_the_gland_follows_its_corrected_slices(scan):
    for label, key in ((1, "Parotid_R"), (2, "Parotid_L")):
        inside = slices_of(scan.wanted, label)
        drawn = with_slices(scan.automatic, scan.wanted, inside[[3, 10, -2]])
        result = propagate(scan.image, scan.automatic, drawn, uncertainty=scan.uncertainty)
        assert dice(result.labels, scan.wanted, label) > dice(drawn, scan.wanted, label) + 0.02
        assert set(result.slices[key]) <= set(map(int, inside[[3, 10, -2]]))


def test_a_gland_that_was_not_corrected_stays_as_it_is(scan):
    labels = array_of(scan.automatic)
    wanted = array_of(scan.wanted)
    for number in (12, 20):
        labels[number][wanted[number] == 2] = 2
    result = propagate(scan.image, scan.automatic, image_like(scan.automatic, labels), network=made_network())
    assert list(result.slices) == ["Parotid_L"]
    assert np.array_equal(array_of(result.labels) == 1, array_of(scan.automatic) == 1)
    assert not np.array_equal(array_of(result.labels) == 2, labels == 2)


def test_right_and_left_keep_to_their_sides(scan):
    numbers = slices_of(scan.automatic, 2)[[2, 9, 15]]
    corrected = with_slices(scan.automatic, scan.wanted, numbers)
    result = propagate(scan.image, scan.automatic, corrected, network=made_network())
    points = [np.argwhere(array_of(result.labels) == label)[:, ::-1] for label in (1, 2)]
    x = [[result.labels.TransformIndexToPhysicalPoint(p.tolist())[0] for p in own] for own in points]
    assert max(x[0]) < 0.0 < min(x[1])


def test_the_mirror_image_of_a_correction_gives_the_mirror_image_of_the_glands(scan):
    """The left gland is carried as the right one is: nothing depends on the side."""
    numbers = slices_of(scan.automatic, 1)[[5, 12]]
    corrected = with_slices(scan.automatic, scan.wanted, numbers)

    def mirrored(image: sitk.Image, swap: bool) -> sitk.Image:
        array = array_of(image)[:, :, ::-1]
        return image_like(image, np.array([0, 2, 1], np.uint8)[array] if swap else np.ascontiguousarray(array))

    network = made_network()
    result = propagate(scan.image, scan.automatic, corrected, network=network)
    other = propagate(
        mirrored(scan.image, False), mirrored(scan.automatic, True), mirrored(corrected, True), network=network
    )
    assert np.array_equal(array_of(other.labels), array_of(mirrored(result.labels, True)))


def test_what_the_user_removed_stays_removed_and_the_end_beyond_goes_with_it(scan):
    inside = slices_of(scan.automatic, 1)
    cut = int(inside[-5])
    labels = array_of(scan.automatic)
    labels[cut][labels[cut] == 1] = 0
    result = propagate(scan.image, scan.automatic, image_like(scan.automatic, labels), network=made_network())
    right = array_of(result.labels) == 1
    assert not right[cut:].any()
    assert right[cut - 6 : cut - 3].any(axis=(1, 2)).all()


def test_an_emptied_slice_between_two_drawn_ones_is_a_gap_and_nothing_more(scan):
    inside = slices_of(scan.automatic, 1)
    emptied, above = int(inside[-5]), int(inside[-3])
    labels = array_of(scan.automatic)
    labels[emptied][labels[emptied] == 1] = 0
    labels[above][array_of(scan.wanted)[above] == 1] = 1
    result = array_of(propagate(scan.image, scan.automatic, image_like(scan.automatic, labels)).labels) == 1
    assert not result[emptied].any()
    assert np.array_equal(result[above], labels[above] == 1)


def test_a_slice_added_above_the_gland_makes_it_longer_without_a_gap(scan):
    inside = slices_of(scan.automatic, 1)
    added = int(inside[-1]) + 3
    labels = array_of(scan.automatic)
    labels[added][labels[inside[-3]] == 1] = 1
    result = array_of(propagate(scan.image, scan.automatic, image_like(scan.automatic, labels)).labels) == 1
    assert result[inside[0] : added + 1].any(axis=(1, 2)).all()


def test_two_strokes_in_one_slice_both_stay(scan):
    labels = array_of(scan.automatic)
    number = int(slices_of(scan.automatic, 1)[8])
    columns = np.flatnonzero((labels[number] == 1).any(axis=0))
    labels[number][:, columns[len(columns) // 2]][labels[number][:, columns[len(columns) // 2]] == 1] = 0
    result = propagate(scan.image, scan.automatic, image_like(scan.automatic, labels))
    assert np.array_equal(array_of(result.labels)[number], labels[number])


def test_several_rounds_keep_every_slice_that_was_corrected(scan):
    kept: dict[int, np.ndarray] = {}
    contours, slices = scan.automatic, None
    for number in slices_of(scan.wanted, 2)[[4, 17, 9, 13]]:
        drawn = with_slices(contours, scan.wanted, [number])
        kept[int(number)] = array_of(drawn)[number]
        result = propagate(
            scan.image, scan.automatic, drawn, previous=contours, slices=slices, uncertainty=scan.uncertainty
        )
        contours, slices = result.labels, result.slices
        for done, wanted in kept.items():
            assert np.array_equal(array_of(contours)[done], wanted)
    assert set(slices["Parotid_L"]) == set(kept)
    assert dice(contours, scan.wanted, 2) > dice(scan.automatic, scan.wanted, 2) + 0.05


def test_rounds_do_not_add_up_the_same_slices_at_once_give_the_same(scan):
    numbers = [int(n) for n in slices_of(scan.wanted, 1)[[3, 8, 14]]]
    at_once = propagate(scan.image, scan.automatic, with_slices(scan.automatic, scan.wanted, numbers))
    first = propagate(scan.image, scan.automatic, with_slices(scan.automatic, scan.wanted, numbers[:1]))
    drawn = with_slices(first.labels, scan.wanted, numbers[1:])
    then = propagate(scan.image, scan.automatic, drawn, previous=first.labels, slices=first.slices, plane="axial")
    assert then.slices == at_once.slices
    assert np.array_equal(array_of(then.labels), array_of(at_once.labels))


def test_a_slice_that_is_taken_back_leaves_no_trace(scan):
    numbers = [int(n) for n in slices_of(scan.wanted, 1)[[4, 12]]]
    one = propagate(scan.image, scan.automatic, with_slices(scan.automatic, scan.wanted, numbers[:1]))
    both = propagate(scan.image, scan.automatic, with_slices(scan.automatic, scan.wanted, numbers))
    back = with_slices(both.labels, scan.automatic, numbers[1:])
    again = propagate(scan.image, scan.automatic, back, slices={k: v[:1] for k, v in both.slices.items()})
    assert np.array_equal(array_of(again.labels), array_of(one.labels))


@pytest.mark.parametrize(("axis", "plane"), [(1, "coronal"), (2, "sagittal")])
def test_work_in_another_plane_is_recognised_and_its_slice_kept(scan, axis, plane):
    middle = int(np.median(slices_of(scan.automatic, 2, axis)))
    corrected = with_slices(scan.automatic, scan.wanted, [middle], axis)
    result = propagate(scan.image, scan.automatic, corrected, network=made_network())
    assert result.plane == plane
    assert all(numbers == (middle,) for numbers in result.slices.values())
    assert np.array_equal(np.take(array_of(result.labels), middle, axis), np.take(array_of(corrected), middle, axis))


def test_other_labels_of_the_map_are_never_touched(scan):
    """A lymph node, of which this library knows nothing, lies where the gland would grow."""
    labels, wanted = array_of(scan.automatic), array_of(scan.wanted)
    labels[(wanted == 1) & (labels == 0)] = 3
    automatic = image_like(scan.automatic, labels)
    drawn = labels.copy()
    number = int(slices_of(scan.automatic, 1)[9])
    columns = np.indices(drawn[number].shape)[1]
    inside = columns[labels[number] == 1]
    drawn[number][(labels[number] == 1) & (columns < np.median(inside))] = 0
    result = array_of(propagate(scan.image, automatic, image_like(automatic, drawn)).labels)
    assert np.array_equal(result == 3, labels == 3)
    assert not np.array_equal(result == 1, drawn == 1)


def test_nothing_given_is_changed(scan):
    corrected = with_slices(scan.automatic, scan.wanted, [15])
    before = [array_of(image) for image in (scan.image, scan.automatic, corrected)]
    propagate(scan.image, scan.automatic, corrected)
    after = [array_of(image) for image in (scan.image, scan.automatic, corrected)]
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def test_volumes_say_what_changed_since_the_automatic_contour(scan):
    corrected = with_slices(scan.automatic, scan.wanted, [12, 20])
    result = propagate(scan.image, scan.automatic, corrected)
    voxel = np.prod(scan.image.GetSpacing()) / 1000.0
    now, then = array_of(result.labels), array_of(scan.automatic)
    assert result.added_ml["Parotid_R"] == pytest.approx(((now == 1) & (then != 1)).sum() * voxel)
    assert result.removed_ml["Parotid_L"] == pytest.approx(((now != 2) & (then == 2)).sum() * voxel)


def test_bad_input_gets_one_sentence(scan):
    corrected = with_slices(scan.automatic, scan.wanted, [12, 20])
    text = refusal(ImageError, propagate, scan.image, scan.automatic, scan.automatic)
    assert "nothing to carry on" in text
    moved = sitk.Image(corrected)
    moved.SetOrigin((0.0, 0.0, 1.0))
    for wrong in (moved, corrected[:, :, :-1]):
        assert "grid of the CT" in refusal(ImageError, propagate, scan.image, scan.automatic, wrong)
        assert "grid of the CT" in refusal(ImageError, propagate, scan.image, wrong, corrected)
        assert "uncertainty" in refusal(ImageError, propagate, scan.image, scan.automatic, corrected, uncertainty=wrong)
    swapped = array_of(corrected)
    swapped[12] = np.array([0, 2, 1], np.uint8)[swapped[12]]
    text = refusal(ImageError, propagate, scan.image, scan.automatic, image_like(corrected, swapped))
    assert "mixed up" in text
    one = array_of(corrected)
    one[one == 1] = 0
    text = refusal(ImageError, propagate, scan.image, scan.automatic, image_like(corrected, one))
    assert "lack the whole right parotid gland" in text
    without = image_like(scan.automatic, np.where(array_of(scan.automatic) == 1, 0, array_of(scan.automatic)))
    assert "no automatic contour" in refusal(ImageError, propagate, scan.image, without, corrected)
    for options, words in (
        ({"plane": "oblique"}, "no plane"),
        ({"slices": {"Parotid_R": [400]}}, "no slice 400"),
        ({"slices": {"Spleen": [4]}}, "no structure"),
    ):
        assert words in refusal(ImageError, propagate, scan.image, scan.automatic, corrected, **options)
    empty = image_like(corrected, np.zeros_like(array_of(corrected)))
    assert "nothing to carry on" in refusal(ImageError, propagate, scan.image, empty, empty)
