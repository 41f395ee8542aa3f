"""Mapping files: different tables of labels become one, and nothing is dropped or guessed in silence."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sentences import refusal

from ParotidSegLib.errors import DataError
from ParotidSegLib.reading.contours.label_rules import SourceLabels, joined
from ParotidSegLib.structures import PAROTIDS
from ParotidSegTrainingLib import recipe
from ParotidSegTrainingLib.preparing.label_mapping import LabelMapping, shipped_mappings

ORGANS = [{"key": "Spleen"}, {"key": "Kidney_R"}, {"key": "Kidney_L"}]


def written(folder: Path, data: object) -> Path:
    path = folder / "mapping.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    return path


def mapping(folder: Path, labels: dict[str, str | None], **more: object) -> SourceLabels:
    data = {"structures": ORGANS, "sources": {"a": {"labels": labels, **more}}}
    return LabelMapping.read(written(folder, data)).of("a")


def test_values_become_the_labels_of_their_structures(tmp_path):
    labels = mapping(tmp_path, {"6": "Spleen", "2": "Kidney_L", "9": "Kidney_L", "3": "Kidney_R", "200": None})
    array = np.array([[0, 6, 2], [9, 3, 200]], np.int16)
    assert labels.of_values(array).tolist() == [[0, 1, 3], [3, 2, 0]]
    assert labels.of_values(array.astype(np.float32)).dtype == np.uint8


def test_values_that_nobody_named_are_refused_unless_all_others_are_dropped(tmp_path):
    array = np.array([0, 6, 77, 78])
    said = refusal(DataError, mapping(tmp_path, {"6": "Spleen", "4": None}).of_values, array)
    assert "holds the value 77 and others, but known are 4, 6" in said
    assert mapping(tmp_path, {"6": "Spleen", "*": None}).of_values(array).tolist() == [0, 1, 0, 0]
    between = np.array([0.0, 6.0, 6.5])
    for table in ({"6": "Spleen", "*": None}, {"6": "Spleen"}):
        assert "holds 6.5, which is no label" in refusal(DataError, mapping(tmp_path, table).of_values, between)
    assert "0.5" in refusal(DataError, mapping(tmp_path, {"6": "Spleen"}).of_values, np.array([0.5, 6.0]))


def test_without_a_mapping_values_are_the_labels_themselves():
    plain = SourceLabels.plain()
    assert plain.of_values(np.array([0, 1, 2])).tolist() == [0, 1, 2]
    assert "the value 3, but known are 1, 2" in refusal(DataError, plain.of_values, np.array([1, 3]))


def test_names_in_any_case_become_structures_and_several_may_become_one(tmp_path):
    labels = mapping(tmp_path, {"Left Kidney": "Kidney_L", "cyst left": "Kidney_L", "milz": "Spleen", "Kidney_R": None})
    found = labels.of_names(["MILZ", "cyst left", "left kidney ", "Kidney_R", "aorta"])
    assert found == {"Spleen": ["MILZ"], "Kidney_L": ["cyst left", "left kidney "]}
    assert labels.missing(found) == ["Kidney_R"]


def test_a_name_that_two_regions_have_is_refused(tmp_path):
    known = mapping(tmp_path, {"Milz": "Spleen", "Niere": None})
    assert "'milz'" in refusal(DataError, known.of_names, ["milz", "Leber", "milz"])
    assert known.of_names(["milz", "Niere", "Niere"]) == {"Spleen": ["milz"]}


def test_patterns_match_what_is_not_named(tmp_path):
    labels = mapping(tmp_path, {"milz": "Spleen"}, patterns={"Kidney_R": ["^ren.*dexter"], "Spleen": ["^splen"]})
    assert labels.of_names(["ren dexter", "splenic vein", "Milz"]) == {"Spleen": ["Milz"], "Kidney_R": ["ren dexter"]}


def test_no_known_name_is_refused_with_the_names():
    said = refusal(DataError, SourceLabels.plain().of_names, ["GTV", "Body"])
    assert "Parotid_R, Parotid_L" in said
    assert "'Body', 'GTV'" in said


def test_two_data_sets_become_one(tmp_path):
    data = {
        "structures": ORGANS,
        "sources": {
            "a": {"labels": {"1": "Spleen", "2": "Kidney_R", "3": "Kidney_L", "4": None}},
            "b": {"labels": {"3": "Spleen", "1": "Kidney_R", "7": "Kidney_L", "*": None}},
        },
    }
    both = LabelMapping.read(written(tmp_path, data))
    assert [(s.label, s.key, s.side) for s in both.structures] == [
        (1, "Spleen", ""),
        (2, "Kidney_R", "right"),
        (3, "Kidney_L", "left"),
    ]
    of_a, of_b = np.array([0, 1, 2, 3, 4]), np.array([0, 3, 1, 7, 5])
    assert both.of("a").of_values(of_a).tolist() == both.of("b").of_values(of_b).tolist() == [0, 1, 2, 3, 0]
    assert "has no source 'c' but 'a', 'b'" in refusal(DataError, both.of, "c")


def test_without_structures_a_mapping_is_for_the_parotid_glands(tmp_path):
    data = {"sources": {"a": {"labels": {"5": "Parotid_R", "6": "Parotid_L"}}}}
    found = LabelMapping.read(written(tmp_path, data))
    assert found.structures == PAROTIDS
    assert found.of("a").of_values(np.array([5, 6])).tolist() == [1, 2]


def test_the_shipped_mapping_has_the_structures_of_its_recipe_and_no_label_twice():
    assert "abdomen-twelve" in shipped_mappings()
    shipped = LabelMapping.read("abdomen-twelve")
    assert shipped.structures == recipe.load("abdomen-unet2d").structures
    for name, source in shipped.sources.items():
        keys = [key for key in source.values.values() if key]
        assert sorted(keys) == sorted(s.key for s in shipped.structures), name
        assert not source.drop_others
    sides = {"btcv": (2, 3), "amos": (2, 3), "flare22": (2, 13)}
    for name, (right, left) in sides.items():
        assert (shipped.of(name).values[right], shipped.of(name).values[left]) == ("Kidney_R", "Kidney_L")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ([], "must be a table"),
        ({"sauces": {}}, "unknown field 'sauces'"),
        ({"sources": {}}, "must have 'sources'"),
        ({"sources": {"a": {"label": {}}}}, "unknown field 'label'"),
        ({"sources": {"a": {"labels": []}}}, "must have 'labels'"),
        ({"sources": {"a": {"labels": {"1": "Liver"}}}}, "maps '1' to 'Liver', which is none of its structures"),
        ({"sources": {"a": {"labels": {"*": "Parotid_R"}}}}, "can only become null"),
        ({"sources": {"a": {"patterns": {"Parotid_R": ["("]}}}}, "no regular expression"),
        ({"structures": [{"name": "x"}], "sources": {"a": {}}}, "a 'key', which number 1 lacks"),
    ],
)
def test_impossible_mappings_are_refused(data, said, tmp_path):
    assert said in refusal(DataError, LabelMapping.read, written(tmp_path, data))


def test_a_missing_mapping_is_refused(tmp_path):
    assert "does not exist" in refusal(DataError, LabelMapping.read, tmp_path / "no.json")
    assert "does not exist" in refusal(DataError, LabelMapping.read, "abdomen-thirteen")


def test_masks_that_touch_are_joined_and_masks_that_overlap_are_refused():
    right, left = np.zeros((1, 1, 100), bool), np.zeros((1, 1, 100), bool)
    right[..., :50], left[..., 48:] = True, True
    labels, overlapping = joined({"Parotid_L": left, "Parotid_R": right}, PAROTIDS)
    assert overlapping == 2
    assert labels.ravel().tolist() == [1] * 50 + [2] * 50
    left[..., 40:] = True
    assert "overlap in 20% of the smaller one" in refusal(
        DataError, joined, {"Parotid_R": right, "Parotid_L": left}, PAROTIDS
    )
