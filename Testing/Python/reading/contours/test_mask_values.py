"""What the values of masks mean: nothing but zero and one other value is taken on trust."""

from __future__ import annotations

import numpy as np
import pytest
from sentences import refusal

from ParotidSegLib.errors import DataError
from ParotidSegLib.reading.contours.mask_values import inside, whole_numbers


@pytest.mark.parametrize("value", [1, 2, 255, 7.0])
def test_one_value_is_inside(value):
    mask, remarks = inside(np.array([0, value, 0]), "A")
    assert mask.tolist() == [False, True, False]
    assert remarks == []


def test_fractions_are_inside_from_one_half_on_and_remarked():
    mask, remarks = inside(np.array([0.0, 0.01, 0.49, 0.5, 1.0], np.float32), "Parotid_R")
    assert mask.tolist() == [False, False, False, True, True]
    assert remarks == ["The mask of Parotid_R has fractions in 3 voxels: what is at least 0.5 is inside."]


def test_an_empty_mask_is_empty_and_bool_masks_are_themselves():
    assert not inside(np.zeros(3), "A")[0].any()
    assert inside(np.array([True, False]), "A")[0].tolist() == [True, False]


@pytest.mark.parametrize(
    "values",
    [
        [0, 1, 2],
        [0, 128, 255],
        [0.0, 30.5, 100.0],
        [-1.0, 0.0, 1.0],
        [0.0, np.nan, 1.0],
        [0.0, np.inf],
        [0.0, 0.3],
        [-5, 0],
    ],
    ids=str,
)
def test_anything_else_is_refused(values):
    said = refusal(DataError, inside, np.array(values), "Parotid_R")
    assert "The mask of Parotid_R holds several values" in said
    assert "not clear what is inside" in said


def test_labels_are_whole_numbers_and_rounding_is_forgiven():
    assert whole_numbers(np.array([0.0, 1.00001, 2.0])).tolist() == [0, 1, 2]
    same = np.array([0, 2], np.uint8)
    assert whole_numbers(same) is same


@pytest.mark.parametrize("value", [0.5, 1.9, np.nan, np.inf])
def test_fractions_are_no_labels(value):
    assert "which is no label" in refusal(DataError, whole_numbers, np.array([0.0, value, 2.0]))
