"""Names of regions: which gland they mean, as clinics write them; and that no side is ever guessed."""

from __future__ import annotations

import pytest
from sentences import refusal

from ParotidSegLib.errors import DataError
from ParotidSegLib.reading.contours.region_names import RegionPatterns, folded, listed

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
    "Parotide_D",
    "D_Parotide",
    "Parotida_D",
    "D_Parotida",
    "Parótida derecha",
    "Glándula Parótida Derecha",
    "glande parotide droite",
    "Ohrspeicheldrüse rechts",
    "rechte Ohrspeicheldruese",
    "Ohrspeicheldrüse_R",
    "Glandula parotidea dextra",
    "ghiandola parotide destra",
    "Parotide Dx",
    "parotided",
    "ParotideD",
    "PAROTIDEDROITE",
    "Parotida_der",
    "parotida dcha",
    "Parotide destra",
    "Parotide D",
    "GLANDULA PAROTIDA D",
    "Parotis_R",
    "Rechte Parotis",
    "Gl. parotis dext.",
    "Parotid gland, right",
    "parotidgl. r",
    "Parotis (rechts)",
    "Parótida_Der",
    "Parotidis dx",
    "Parotid_R^1",
    "Glande_parotide_D",
    "Parotid_R_contra",
    "PAROTIDR",
    "Parotide-D",
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
    "Parotide_G",
    "G_Parotide",
    "Parotida_I",
    "I_Parotida",
    "Ohrspeicheldrüse links",
    "linke Ohrspeicheldrüse",
    "Parótida izquierda",
    "Parotida_izq",
    "parotideg",
    "ParotideG",
    "PAROTIDEGAUCHE",
    "Parotide S",
    "Parotide sinistra",
    "Glandula parotidea sinistra",
    "glandula_parotida_izquierda",
    "Parotide_Gche",
    "Parotida_E",
    "Glande_parotide_G",
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
    "Parotides",
    "parotidas",
    "PAROTIDE",
    "left parotid_resected",
    "L Parotid+5mm",
    "L parotid nodes",
    "L_Parotid_sup",
    "Parotid L deep",
    "Parotid_L_PRV05",
    "Parotid L 3 mm",
    "Parotid_L-3mm",
    "Parotid_L - 3 mm",
    "Parotid_L minus 3",
    "zParotid_L",
    "~Parotid_L",
    "ring parotid l",
    "Ring_Parotid_L",
    "Parotid_L_ring",
    "Parotid_L_avoid",
    "avoid parotid left",
    "Parotide_G réséquée",
    "Parotida_I resecada",
    "Parotis links tief",
    "Parotis li. Lymphknoten",
    "Parotide G profonde",
    "Parotide_G superficielle",
    "Parotide sx superficiale",
    "Parotid_L_LN",
    "Parotid bed L",
    "Parótida izquierda profunda",
    "Parotid L ±3",
    "Parotid_L_5mm",
    "Parotis links + 5mm",
    "Intraparotid LN L",
    "Parotid_LxPTV",
    "parotidectomy L",
    "Parotid L 26Gy",
    "ParotidL_Sup",
    "ParotidSupL",
    "SupParotid_L",
    "postop parotid L",
    "Parotid_L post-op",
    "LParotidNodes",
    "parotid_l_exp5",
    "Parotide_S_2_D",
    "ParotidAvoid_L",
    "L_Parotid_deep",
    "Lobe prof. parotide G",
    "ganglions parotide G",
    "linfonodi parotide sx",
    "Parotis_li_PRV",
    "Parotid-L-Ring",
    "Parotid_S",
    "Parotid_D",
    "Parotid G",
    "RingParotidL",
    "DeepParotidL",
    "PRVParotidL",
    "parotid_l.sup",
    "par otid",
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


def test_own_patterns_take_the_place_of_the_usual_ones():
    own = RegionPatterns.from_data({"Parotid_R": ["^oar 7$"], "Parotid_L": ["^oar 8$"]}, KEYS, "The patterns")
    assert own.match(["OAR 7", "oar 8", "Parotid_R"]) == {"Parotid_R": "OAR 7", "Parotid_L": "oar 8"}
    assert not own.says_more("Parotid_R", "OAR 7")
    assert own.derived(["Parotid_R nodes"]) == []


@pytest.mark.parametrize("name", ["OAR Parotid R", "Parotid_R_MM", "01 parotid right copy", "Parotid_R_contra"])
def test_names_with_words_that_no_one_knows_say_more(name):
    assert USUAL.says_more("Parotid_R", name)


@pytest.mark.parametrize("name", ["Parotid_R", "Rt Parotid", "Parotide droite", "D_Parotida"])
def test_plain_names_say_no_more(name):
    assert not USUAL.says_more("Parotid_R", name)


def test_a_derived_region_beside_the_gland_changes_nothing_and_alone_is_named():
    names = ["Parotid_R", "Parotid_R_sup", "L parotid nodes", "Brainstem"]
    assert USUAL.match(names) == {"Parotid_R": "Parotid_R"}
    assert USUAL.derived(names) == ["Parotid_R_sup", "L parotid nodes"]


def test_folding_keeps_words_apart_and_signs_that_mean_something():
    assert folded("LParotidNodes") == "l parotid nodes"
    assert folded("Parótida_Izq.") == "parotida izq"
    assert folded("L Parotid+5mm") == "l parotid+5 mm"
    assert folded("Parotid-Rt") == "parotid rt"
    assert folded("Parotid_L - 3 mm") == "parotid l -3 mm"
    assert folded("Ohrspeicheldrüse") == "ohrspeicheldruse"


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


def test_a_long_list_of_names_is_cut():
    assert listed(["b", "a"]) == "'a', 'b'"
    assert listed([]) == "none"
    assert listed([f"{n:03d}" for n in range(50)]).endswith("'029' and 20 more")
