"""Names of regions: which gland they mean, as clinics write them; and that no side is ever guessed."""

from __future__ import annotations

import json

import pytest
from sentences import refusal

from ParotidSegLib.errors import DataError
from ParotidSegTrainingLib.preparing.region_names import RegionPatterns, listed

KEYS = ("Parotid_R", "Parotid_L")
USUAL = RegionPatterns.default(KEYS)
RIGHT = (
    "Parotid_R",
    "parotid rt",
    "Rt Parotid",
    "PAROTID-RIGHT",
    "Parotid Right",
    "ParotidR",
    "RParotid",
    "R_Parotid",
    "right parotid gland",
    "Parotid-Rt",
    "parotid_gland_right",
    "Gland Parotid R",
    "GlndParotidR",
    "Parotis re",
    "Parotis rechts",
    "PAROTIDE DX",
    "parotide dextra",
    "Parotide droite",
    "Glandula parotis dextra",
    " parotid (R) ",
    "Parotids_R",
    "OAR Parotid R",
    "Parotid_R_MM",
    "01 parotid right copy",
)
LEFT = (
    "Parotid_L",
    "parotid lt",
    "Lt Parotid",
    "PAROTID-LEFT",
    "LParotid",
    "Left parotid gland",
    "parotid_gland_left",
    "Parotis li",
    "Parotis links",
    "Parotide sx",
    "parotide sin",
    "Parotide gauche",
    "parotidgll",
    "Parotid L 2",
)
NEITHER = (
    "Parotid",
    "Parotids",
    "Parotid gl",
    "parotidgland",
    "Parotid R+L",
    "Parotids L/R",
    "PTV Parotid R",
    "Parotid_R-PTV54",
    "PRV_Parotid_L",
    "Parotid_R_opt",
    "Parotid R superficial lobe",
    "Right_Parotid_Duct",
    "Submandibular_R",
    "Brainstem",
    "Lens_R",
    "Rparotitis",
    "",
)


@pytest.mark.parametrize("name", RIGHT)
def test_names_of_the_right_gland(name):
    assert USUAL.match([name, "Brainstem"]) == {"Parotid_R": name}


@pytest.mark.parametrize("name", LEFT)
def test_names_of_the_left_gland(name):
    assert USUAL.match(["Lens_R", name]) == {"Parotid_L": name}


@pytest.mark.parametrize("name", NEITHER)
def test_names_that_mean_neither_gland_or_leave_the_side_open(name):
    assert USUAL.match([name]) == {}


def test_both_glands_are_found_among_others():
    names = ["BODY", "Parotid_L", "PTV Parotid R", "Parotid_R", "Parotids"]
    assert USUAL.match(names) == {"Parotid_R": "Parotid_R", "Parotid_L": "Parotid_L"}


def test_a_plain_name_wins_over_one_with_more_words():
    assert USUAL.match(["Parotid_R_auto", "parotid right", "Parotid_R_old"]) == {"Parotid_R": "parotid right"}


def test_two_names_that_fit_equally_well_are_refused_with_the_names():
    said = refusal(DataError, USUAL.match, ["Parotid_R", "Rt Parotid", "Brainstem"])
    assert "Parotid_R equally well" in said
    assert "'Brainstem', 'Parotid_R', 'Rt Parotid'" in said
    assert "equally well" in refusal(DataError, USUAL.match, ["Parotid_R", "Parotid_R"])


def test_a_name_that_fits_both_sides_is_refused_with_the_names():
    both = RegionPatterns.from_data({"Parotid_R": ["gland"], "Parotid_L": ["gland"]}, KEYS, "The patterns")
    said = refusal(DataError, both.match, ["gland 1", "Body"])
    assert "'gland 1' fits the patterns of Parotid_R and Parotid_L" in said
    assert "'Body', 'gland 1'" in said


def test_own_patterns_are_read_and_take_the_place_of_the_usual_ones(tmp_path):
    path = tmp_path / "patterns.json"
    path.write_text(json.dumps({"Parotid_R": ["^oar 7$"], "Parotid_L": ["^oar 8$"]}), encoding="utf-8")
    own = RegionPatterns.read(path, KEYS)
    assert own.match(["OAR 7", "oar 8", "Parotid_R"]) == {"Parotid_R": "OAR 7", "Parotid_L": "oar 8"}


def test_a_structure_without_habits_is_called_by_its_key():
    assert RegionPatterns.default(["A.Aorta"]).match(["AxAorta", "a.aorta", "A.Aorta wall"]) == {"A.Aorta": "a.aorta"}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ([], "must be a table"),
        ({"Spleen": ["x"]}, "names the structure 'Spleen', but there are Parotid_R, Parotid_L"),
        ({"Parotid_R": "x"}, "must give 'Parotid_R' a list"),
        ({"Parotid_R": [""]}, "must give 'Parotid_R' a list"),
        ({"Parotid_R": ["("]}, "no regular expression"),
    ],
)
def test_impossible_patterns_are_refused(data, said):
    assert said in refusal(DataError, RegionPatterns.from_data, data, KEYS, "The file")


def test_files_that_are_no_json_are_refused(tmp_path):
    path = tmp_path / "patterns.json"
    assert "does not exist" in refusal(DataError, RegionPatterns.read, path, KEYS)
    path.write_text('{\n"a": }', encoding="utf-8")
    assert "in line 2" in refusal(DataError, RegionPatterns.read, path, KEYS)
    path.write_bytes(b"\xff\xfe\x00")
    assert "cannot be read as text" in refusal(DataError, RegionPatterns.read, path, KEYS)


def test_a_long_list_of_names_is_cut():
    assert listed(["b", "a"]) == "'a', 'b'"
    assert listed([]) == "none"
    assert listed([f"{n:03d}" for n in range(50)]).endswith("'029' and 20 more")
