"""Label maps and Slicer segmentations that a person corrected: each structure is found, whatever its number."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from made_dicom_results import MANDIBLE, made_scan
from made_images import cut_short, like
from sentences import refusal

from ParotidSegLib.errors import ImageError
from ParotidSegLib.reading.label_maps import read_labels
from ParotidSegLib.structures import LEFT_PAROTID, RIGHT_PAROTID
from ParotidSegLib.writing.export import SUFFIXES, terminology_tag, write_segmentation


@pytest.fixture
def labels() -> sitk.Image:
    return made_scan("oblique")[1]


def array(image: sitk.Image) -> np.ndarray:
    return sitk.GetArrayFromImage(image)


def slicer_file(path: Path, image: sitk.Image, *segments: dict[str, str]) -> Path:
    """A segmentation as Slicer writes it, with these fields of its segments."""
    image = sitk.Image(image)
    for number, segment in enumerate(segments):
        for name, value in {"Layer": "0", "Tags": "", **segment}.items():
            image.SetMetaData(f"Segment{number}_{name}", value)
    sitk.WriteImage(image, str(path))
    return path


def tags(structure) -> str:
    return f"Segmentation.Status:inprogress|TerminologyEntry:{terminology_tag(structure)}|"


RIGHT = {"ID": "Parotid_R", "Name": "Right parotid gland", "LabelValue": "1", "Tags": tags(RIGHT_PAROTID)}
LEFT = {"ID": "Parotid_L", "Name": "Left parotid gland", "LabelValue": "2", "Tags": tags(LEFT_PAROTID)}


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_the_library_wrote_comes_back(tmp_path, labels, suffix):
    back = read_labels(write_segmentation(labels, tmp_path / f"glands{suffix}"))
    assert np.array_equal(array(back), array(labels))
    assert back.GetDirection() == pytest.approx(labels.GetDirection(), abs=1e-6)
    assert back.GetOrigin() == pytest.approx(labels.GetOrigin(), abs=1e-4)
    assert back.GetMetaDataKeys() == ()


def test_labels_in_other_kinds_of_numbers_are_read(tmp_path, labels):
    sitk.WriteImage(sitk.Cast(labels, sitk.sitkFloat32), str(tmp_path / "labels.nrrd"))
    back = read_labels(tmp_path / "labels.nrrd")
    assert back.GetPixelID() == sitk.sitkUInt8
    assert np.array_equal(array(back), array(labels))


def test_segments_are_known_by_what_they_are_and_not_by_their_numbers(tmp_path, labels):
    """Slicer renumbers: here the left gland has the value 1, and a tumour 2."""
    renumbered = like(labels, np.select([array(labels) == 2, array(labels) == 1], [1, 3]).astype(np.uint8))
    renumbered[0:3, 0:3, 0:3] = 2
    path = slicer_file(
        tmp_path / "a.seg.nrrd",
        renumbered,
        LEFT | {"LabelValue": "1"},
        {"ID": "Segment_1", "Name": "Tumour", "LabelValue": "2"},
        RIGHT | {"LabelValue": "3"},
    )
    assert np.array_equal(array(read_labels(path)), array(labels))


@pytest.mark.parametrize(
    "left",
    [
        {"ID": "Segment_2", "Name": "parotid_l", "LabelValue": "2"},
        {"ID": "Segment_2", "Name": "Left parotid gland", "LabelValue": "2"},
        {"ID": "Segment_2", "Name": "my own", "LabelValue": "2", "Tags": tags(LEFT_PAROTID)},
        {"ID": "Parotid_L", "Name": "my own", "LabelValue": "2"},
    ],
    ids=["key as name", "name", "code", "identifier"],
)
def test_one_sign_is_enough(tmp_path, labels, left):
    path = slicer_file(tmp_path / "a.seg.nrrd", labels, left)
    assert np.array_equal(array(read_labels(path)), np.where(array(labels) == 2, 2, 0))


def test_a_structure_without_a_side_is_known_by_its_code(tmp_path, labels):
    other = {"ID": "Segment_1", "Name": "bone", "LabelValue": "1", "Tags": tags(MANDIBLE)}
    sided = {"ID": "Segment_2", "Name": "half", "LabelValue": "2"}
    sided["Tags"] = tags(MANDIBLE).replace("Mandible~^^~", "Mandible~SCT^7771000^Left~")
    assert "7771000" in sided["Tags"]
    path = slicer_file(tmp_path / "a.seg.nrrd", labels, other, sided)
    assert np.array_equal(array(read_labels(path, structures=(MANDIBLE,))), np.where(array(labels) == 1, 2, 0))


def test_layers_of_overlapping_segments_are_read(tmp_path, labels):
    """Slicer puts segments that overlap into layers: here the right gland and a tumour that reaches into it."""
    glands, tumour = array(labels), np.zeros_like(array(labels))
    tumour[5:15, 5:15, 2:20] = 1
    layers = sitk.Compose(labels, like(labels, tumour))
    path = slicer_file(
        tmp_path / "a.seg.nrrd",
        layers,
        RIGHT,
        LEFT,
        {"ID": "Segment_3", "Name": "Tumour", "LabelValue": "1", "Layer": "1"},
    )
    assert (tumour[glands == 1]).any()
    assert np.array_equal(array(read_labels(path)), glands)


def test_structures_that_overlap_are_refused(tmp_path, labels):
    layers = sitk.Compose(labels, like(labels, (array(labels) > 0).astype(np.uint8)))
    path = slicer_file(tmp_path / "a.seg.nrrd", layers, RIGHT, LEFT | {"LabelValue": "1", "Layer": "1"})
    assert "overlaps" in refusal(ImageError, read_labels, path)


@pytest.mark.parametrize(
    "segment",
    [RIGHT | {"Tags": tags(LEFT_PAROTID)}, RIGHT | {"Name": "Left parotid gland"}, LEFT | {"ID": "Parotid_R"}],
    ids=["code against name", "name against code", "identifier against name"],
)
def test_a_segment_of_both_sides_is_refused(tmp_path, labels, segment):
    text = refusal(ImageError, read_labels, slicer_file(tmp_path / "a.seg.nrrd", labels, segment))
    assert "Parotid_R and Parotid_L" in text


def test_two_segments_of_one_gland_are_refused(tmp_path, labels):
    path = slicer_file(tmp_path / "a.seg.nrrd", labels, RIGHT, RIGHT | {"LabelValue": "2"})
    assert "two segments of Parotid_R" in refusal(ImageError, read_labels, path)


def test_a_segmentation_of_other_things_is_refused(tmp_path, labels):
    path = slicer_file(tmp_path / "a.seg.nrrd", labels, {"ID": "Segment_1", "Name": "Tumour", "LabelValue": "1"})
    assert "Parotid_R, Parotid_L" in refusal(ImageError, read_labels, path)


def test_labels_of_no_structure_are_refused(tmp_path, labels):
    labels[0, 0, 0] = 7
    sitk.WriteImage(labels, str(tmp_path / "labels.nrrd"))
    text = refusal(ImageError, read_labels, tmp_path / "labels.nrrd")
    assert "(7)" in text and "2 for Parotid_L" in text


def test_what_is_no_label_map_is_refused(tmp_path, labels):
    assert "no file" in refusal(ImageError, read_labels, tmp_path / "missing.nrrd")
    (tmp_path / "text.nrrd").write_text("Dear colleague", encoding="utf-8")
    assert "damaged" in refusal(ImageError, read_labels, tmp_path / "text.nrrd")
    sitk.WriteImage(labels, str(tmp_path / "cut.nrrd"))
    cut_short(tmp_path / "cut.nrrd")
    assert "damaged" in refusal(ImageError, read_labels, tmp_path / "cut.nrrd")
    sitk.WriteImage(labels[:, :, 0], str(tmp_path / "flat.nrrd"))
    assert "three-dimensional" in refusal(ImageError, read_labels, tmp_path / "flat.nrrd")


@pytest.mark.parametrize("field", [{"LabelValue": "one"}, {"Layer": "7"}, {"Layer": "none"}])
def test_a_segment_of_which_the_header_does_not_say_where_it_lies_is_refused(tmp_path, labels, field):
    path = slicer_file(tmp_path / "broken.seg.nrrd", labels, {**RIGHT, **field}, LEFT)
    assert "Parotid_R" in refusal(ImageError, read_labels, path)
