"""A gland lies in a head: what is found in a trunk is refused, and a gland alone has to show that it lies in one."""

from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK as sitk
from made_images import like
from orientations import reoriented
from sentences import refusal

from ParotidSegLib.errors import ImageError
from ParotidSegLib.geometry.grids import Box
from ParotidSegLib.glands.postprocessing import Contours
from ParotidSegLib.glands.quality import Measurement
from ParotidSegLib.glands.scale import has_default_geometry, inspect_scale
from ParotidSegLib.glands.surroundings import (
    BODY_ABOVE,
    ODD_IN_PAIR,
    Surroundings,
    bodies_on,
    inspect_surroundings,
)
from ParotidSegLib.reading.images import read_image
from ParotidSegLib.structures import LEFT_PAROTID, PAROTIDS, RIGHT_PAROTID

RIGHT, LEFT = (-59.0, 1.0, 0.0), (59.0, 1.0, 0.0)


def measured(**centroids: tuple[float, float, float]) -> dict[str, Measurement]:
    keys = {"right": RIGHT_PAROTID.key, "left": LEFT_PAROTID.key}
    return {keys[side]: Measurement(25.0, -20.0, point) for side, point in centroids.items()}


def made_section(
    half: tuple[float, float] = (78.0, 98.0), *, bone: bool = True, lungs: bool = False, bone_left: bool = True
) -> sitk.Image:
    """An elliptic cylinder of muscle (half axes in mm), a jaw beside each gland, an airway, lungs if wanted."""
    y, x = np.meshgrid(np.arange(-220, 221, 5.0), np.arange(-220, 221, 5.0), indexing="ij")
    section = np.where((x / half[0]) ** 2 + (y / half[1]) ** 2 < 1.0, 50, -1000)
    section[(np.hypot(x, y + 20) < 12)] = -1000
    if bone:
        jaw = (np.abs(np.abs(x) - 40) < 7) & (np.abs(y + 15) < 25)
        section[jaw & ((x < 0) | bone_left)] = 900
    if lungs:
        section[np.hypot(np.abs(x) - 90, y) < 55] = -800
    array = np.repeat(section[np.newaxis], 25, axis=0).astype(np.int16)
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((5.0, 5.0, 5.0))
    image.SetOrigin((-220.0, -220.0, -60.0))
    return image


def body_alone(plane: np.ndarray) -> np.ndarray:
    """The body on one plane, by ITK's own filters."""
    solid = sitk.GetImageFromArray((plane > BODY_ABOVE).astype(np.uint8))
    opened = sitk.BinaryFillhole(sitk.BinaryMorphologicalOpening(solid, [1, 1]))
    pieces = sitk.GetArrayFromImage(sitk.ConnectedComponent(opened))
    sizes = np.bincount(pieces.ravel())
    return pieces == 1 + int(sizes[1:].argmax()) if len(sizes) > 1 else np.zeros(plane.shape, bool)


@pytest.mark.parametrize("level", [-0.6, 0.0, 0.6, 9.0])
def test_the_bodies_of_all_planes_are_those_of_each_alone(level):
    """Pieces and holes of any kind, also at the edges (seed 5), and planes without anything."""
    noise = sitk.GetImageFromArray(np.random.default_rng(5).normal(size=(40, 50, 60)).astype(np.float32))
    values = sitk.GetArrayFromImage(
        sitk.RecursiveGaussian(sitk.RecursiveGaussian(noise, 2.0, direction=0), 1.5, direction=1)
    )
    planes = np.where(values / values.std() > level, 40, -1000).astype(np.int16)
    assert np.array_equal(bodies_on(planes), np.stack([body_alone(plane) for plane in planes]))


def test_a_head_has_nothing_odd_about_it():
    for point, side in ((RIGHT, "right"), (LEFT, "left")):
        about = Surroundings.of(made_section(), point, side)
        assert about.width_mm == pytest.approx(156, abs=12)
        assert about.area_cm2 == pytest.approx(240, rel=0.05)
        assert about.oddities == []
    assert inspect_surroundings(made_section(), measured(right=RIGHT, left=LEFT)) == []


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
@pytest.mark.parametrize("flips", [(False, False, False), (True, False, True)])
def test_the_sides_are_those_of_the_patient_in_any_orientation(order, flips):
    image = reoriented(made_section(bone_left=False), order, flips)
    assert Surroundings.of(image, RIGHT, "right").bone > 0.05
    assert Surroundings.of(image, LEFT, "left").bone == 0.0


@pytest.mark.parametrize(
    ("trunk", "words"),
    [
        ({"half": (190.0, 120.0)}, "mm wide"),
        ({"half": (190.0, 120.0), "bone": False}, "no jaw"),
        ({"half": (180.0, 110.0), "lungs": True}, "is air"),
    ],
)
def test_glands_in_a_trunk_are_refused_as_a_pair_and_alone(trunk, words):
    image = made_section(**trunk)
    for found in (measured(right=RIGHT, left=LEFT), measured(left=LEFT)):
        text = refusal(ImageError, inspect_surroundings, image, found)
        assert text.startswith("No parotid gland was found")
        assert words in text


def test_a_gland_beside_no_bone_is_doubted_only_if_it_is_alone():
    image = made_section(bone_left=False)
    assert inspect_surroundings(image, measured(right=RIGHT, left=LEFT)) == []
    assert "no jaw" in refusal(ImageError, inspect_surroundings, image, measured(left=LEFT))
    assert inspect_surroundings(image, measured(right=RIGHT)) == []


def test_one_gland_of_two_that_lies_in_no_head_is_an_error():
    image = made_section()
    array = sitk.GetArrayFromImage(image)
    shoulders = like(image, np.where(np.arange(25)[:, None, None] < 6, 50, array).astype(np.int16))
    (finding,) = inspect_surroundings(shoulders, measured(right=RIGHT, left=(59.0, 1.0, -50.0)))
    assert (finding.code, finding.severity, finding.structure) == (
        "surroundings-implausible",
        "error",
        LEFT_PAROTID.key,
    )


@pytest.mark.data
def test_every_training_patient_lies_in_a_head(data_root):
    folder = data_root / "openkbp"
    for patient in json.loads((folder / "splits.json").read_text(encoding="utf-8"))["train"]:
        image = read_image(folder / "images" / f"{patient}.nii.gz")
        shape = sitk.LabelShapeStatisticsImageFilter()
        shape.Execute(sitk.ReadImage(str(folder / "masks" / f"{patient}.nii.gz")))
        for structure in PAROTIDS:
            if structure.label in shape.GetLabels():
                about = Surroundings.of(image, shape.GetCentroid(structure.label), structure.side)
                assert not about.is_impossible, patient
                assert len(about.oddities) < ODD_IN_PAIR, patient


# --- the size of the head ---------------------------------------------------------------------------------------------


def drawn(height: int, image: sitk.Image) -> tuple[Contours, Box]:
    labels = np.zeros(image.GetSize()[::-1], np.uint8)
    for structure, column in ((RIGHT_PAROTID, 32), (LEFT_PAROTID, 56)):
        labels[5 : 5 + height, 44:48, column - 2 : column + 2] = structure.label
    return Contours(labels, {}), Box((0, 0, 0), image.GetSize())


@pytest.mark.parametrize(("height", "count"), [(3, 2), (4, 2), (6, 0), (18, 0)])
def test_glands_too_low_for_any_gland_are_an_error_of_the_spacing(height, count):
    image = made_section()
    found = inspect_scale(*drawn(height, image), image)
    assert [finding.code for finding in found] == ["scale-implausible"] * count
    assert all("5 x 5 x 5 mm" in finding.message for finding in found)


def test_a_gland_that_the_scan_cuts_may_be_low():
    image = made_section()
    contours, box = drawn(3, image)
    contours.labels[:5] = contours.labels[5:10]
    contours.labels[3:] = 0
    assert inspect_scale(contours, box, image) == []


def test_the_geometry_of_a_file_that_lost_its_own_is_an_error():
    image = made_section()
    assert not has_default_geometry(image)
    image.SetSpacing((1.0, 1.0, 1.0))
    image.SetOrigin((0.0, 0.0, 0.0))
    image.SetDirection((-1, 0, 0, 0, -1, 0, 0, 0, 1))  # what np.eye(4) of a NIfTI file becomes
    assert has_default_geometry(image)
    assert "geometry-default" in [finding.code for finding in inspect_scale(*drawn(10, image), image)]
