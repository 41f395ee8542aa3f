"""Two segmentations of one CT beside each other: the figures, whatever grids and transforms they lie on."""

from __future__ import annotations

import csv
import math
from typing import Any

import numpy as np
import pytest
import slicer
import slicer.util
from made_corrections import array_of, image_like, made_scan
from made_reference import add_named, add_reference, mirrored, shifted
from made_strokes import LEFT, RIGHT, correct
from orientations import rotation

from ParotidSegLib.errors import ImageError
from ParotidSegLib.in_slicer.comparing.table import as_text, rows_of, signed, write_table
from ParotidSegLib.in_slicer.logic import ParotidSegLogic, volume_of
from ParotidSegLib.in_slicer.scene import scene
from ParotidSegLib.measuring.borders import compare_borders
from ParotidSegLib.measuring.metrics import compare_images
from ParotidSegLib.measuring.path_length import compare_paths
from ParotidSegLib.structures import PAROTIDS


@pytest.fixture
def logic(slicer_app: Any) -> ParotidSegLogic:
    return ParotidSegLogic()


def test_the_figures_are_those_of_the_library(logic: ParotidSegLogic, node: Any) -> None:
    scan = made_scan()
    measured = logic.compare(node, add_reference(node)).measure()
    scores = compare_images(scan.wanted, scan.automatic)
    borders = compare_borders(scan.wanted, scan.automatic)
    paths = compare_paths(scan.automatic, scan.wanted)
    for one, structure in zip(measured, PAROTIDS, strict=True):
        assert one.structure == structure
        assert one.scores == scores[structure.key]
        assert one.borders == pytest.approx(borders[structure.key])
        assert one.path.added_mm == pytest.approx(paths[structure.key].added_mm)
        assert one.own_ml == pytest.approx(scores[structure.key].volume_ml)
        assert one.reference_ml == pytest.approx(scores[structure.key].volume_reference_ml)


@pytest.mark.parametrize("degrees", [(0, 0, 0), (0, 0, 180), (90, 0, 0), (10, -20, 30)])
def test_a_reference_on_voxels_of_its_own_lies_where_it_lies_in_the_patient(
    degrees: tuple[int, int, int], logic: ParotidSegLogic, node: Any
) -> None:
    fine = made_scan((141, 95, 95), (1.3, 1.3, 1.3), rotation(*degrees)).automatic
    reference = add_named(volume_of(node), fine, {"Parotid left": 2, "Parotid right": 1})
    for one in logic.compare(node, reference).measure():
        assert one.scores.dice > 0.95


def test_transforms_of_both_are_respected(logic: ParotidSegLogic, node: Any, add_transform: Any) -> None:
    reference = add_reference(node)
    before = logic.compare(node, reference).measure()
    turn = np.eye(4)
    turn[:3, :3], turn[:3, 3] = np.reshape(rotation(0, 0, 90), (3, 3)), (12.0, -8.0, 30.0)
    transform = add_transform(turn)
    for one in (node, volume_of(node), reference):
        one.SetAndObserveTransformNodeID(transform.GetID())
    after = logic.compare(node, reference).measure()
    assert [one.scores.dice for one in after] == [one.scores.dice for one in before]
    # A quarter turn: what faced the front faces the patient's left now, which is medial for the right gland alone.
    assert abs(after[0].borders["medial"] - before[0].borders["anterior"]) < 1e-6
    assert abs(after[1].borders["lateral"] - before[1].borders["anterior"]) < 1e-6
    reference.SetAndObserveTransformNodeID(None)
    with pytest.raises(ImageError, match="no voxel in this CT"):
        far = np.eye(4)
        far[0, 3] = 500.0
        reference.SetAndObserveTransformNodeID(add_transform(far).GetID())
        logic.compare(node, reference)


def test_a_reference_of_surfaces_is_drawn_on_the_voxels_of_the_ct_and_stays_as_it_is(
    logic: ParotidSegLogic, node: Any
) -> None:
    reference = add_reference(node, made_scan().automatic)
    reference.CreateClosedSurfaceRepresentation()
    surface = slicer.vtkSegmentationConverter.GetSegmentationClosedSurfaceRepresentationName()
    binary = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
    reference.GetSegmentation().SetSourceRepresentationName(surface)
    reference.GetSegmentation().RemoveRepresentation(binary)
    for one in logic.compare(node, reference).measure():
        assert one.scores.dice > 0.9
    assert not reference.GetSegmentation().ContainsRepresentation(binary)


def test_contours_that_this_slicer_cannot_fill_get_a_sentence(logic: ParotidSegLogic, node: Any) -> None:
    import vtk

    kind = slicer.vtkSegmentationConverter.GetSegmentationPlanarContourRepresentationName()
    reference = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    reference.GetSegmentation().SetSourceRepresentationName(kind)
    for key in (RIGHT, LEFT):
        lines, segment = vtk.vtkRegularPolygonSource(), slicer.vtkSegment()
        lines.Update()
        segment.SetName(key)
        segment.AddRepresentation(kind, lines.GetOutput())
        reference.GetSegmentation().AddSegment(segment, key)
    with pytest.raises(ImageError, match="SlicerRT"):
        logic.compare(node, reference)


def test_what_has_not_changed_is_not_measured_again(logic: ParotidSegLogic, node: Any) -> None:
    reference = add_reference(node)
    first = logic.compare(node, reference)
    before = first.measure()
    correct(node, RIGHT, (20,))
    second = logic.compare(node, reference, former=first)
    assert second.figures[0].scores is None
    assert second.figures[1] is before[1]
    after = second.measure()[0]
    assert after.scores.dice > before[0].scores.dice
    assert after == logic.compare(node, reference).measure()[0]


def test_measuring_goes_bit_by_bit(logic: ParotidSegLogic, node: Any) -> None:
    comparison = logic.compare(node, add_reference(node))
    waiting = sum(text.count("…") for row in rows_of(comparison.figures) for text in row.values)
    for _step in comparison.steps():
        left = sum(text.count("…") for row in rows_of(comparison.figures) for text in row.values)
        assert left < waiting or comparison.figures[-1].path is not None or comparison.figures[0].doses is not None
        waiting = left
    assert waiting == 0


# --- what cannot be compared, or not as it seems --------------------------------------------------------------------


def test_there_is_one_sentence_for_everything_that_cannot_be_compared(logic: ParotidSegLogic, node: Any) -> None:
    with pytest.raises(ImageError, match="Choose the segmentation"):
        logic.compare(node, None)
    with pytest.raises(ImageError, match="the segmentation itself"):
        logic.compare(node, node)
    with pytest.raises(ImageError, match="Segment a CT first"):
        logic.compare(None, node)
    empty = scene.new_segmentation(volume_of(node), "Empty")
    with pytest.raises(ImageError, match="No segment of the reference"):
        logic.compare(node, empty)
    empty.GetSegmentation().AddEmptySegment(RIGHT, "Right")
    with pytest.raises(ImageError, match="empty, or of another CT"):
        logic.compare(node, empty)
    reference = add_reference(node)
    slicer.mrmlScene.RemoveNode(volume_of(node))
    with pytest.raises(ImageError, match="not in the scene"):
        logic.compare(node, reference)


def test_sides_that_are_exchanged_are_said(logic: ParotidSegLogic, node: Any) -> None:
    comparison = logic.compare(node, add_reference(node, mirrored(made_scan().wanted)))
    assert [comparison.is_misplaced(structure) for structure in PAROTIDS] == [True, True]
    assert sum("other side" in remark for remark in comparison.remarks()) == 2
    right = logic.compare(node, add_reference(node))
    assert [right.is_misplaced(structure) for structure in PAROTIDS] == [False, False]
    assert right.remarks() == []


def test_one_gland_on_the_wrong_side_is_said_without_any_contour_to_go_by(logic: ParotidSegLogic, node: Any) -> None:
    for key in (RIGHT, LEFT):
        node.GetSegmentation().ClearSegment(key)
    comparison = logic.compare(node, add_reference(node, mirrored(made_scan().wanted)))
    assert [comparison.is_misplaced(structure) for structure in PAROTIDS] == [True, True]


def test_contours_that_do_not_touch_and_glands_that_are_missing_are_said(logic: ParotidSegLogic, node: Any) -> None:
    labels = array_of(shifted(made_scan().wanted, 9))
    labels[labels == 2] = 0  # the right gland alone, farther to the middle
    comparison = logic.compare(node, add_reference(node, image_like(made_scan().wanted, labels)))
    text = " ".join(comparison.remarks())
    assert "right parotid gland do not touch" in text
    assert "left parotid gland is empty" in text
    scores = comparison.measure()[1].scores
    assert scores.dice == 0.0
    assert math.isinf(scores.hd95)


def test_what_lies_beyond_the_ct_is_said(logic: ParotidSegLogic, add_volume: Any) -> None:
    scan = made_scan()
    volume = add_volume(scan.image[:, :, :20])
    node = scene.new_segmentation(volume, "Cut")
    scene.put_segments(node, scan.automatic[:, :, :20], volume)
    reference = add_named(volume, scan.wanted, {"Parotid_R": 1, "Parotid_L": 2})
    comparison = logic.compare(node, reference)
    lost = float(np.count_nonzero(array_of(scan.wanted)[20:] == 1)) * np.prod(scan.image.GetSpacing()) / 1000.0
    assert f"{lost:.1f} mL of the reference's right parotid gland lie beyond the CT" in " ".join(comparison.remarks())


def test_two_readers_of_other_products_are_compared_too(logic: ParotidSegLogic, node: Any) -> None:
    scan, volume = made_scan(), volume_of(node)
    one = add_named(volume, scan.automatic, {"Parotide G": 2, "Parotide D": 1}, "One")
    other = add_named(volume, scan.wanted, {"parotid_gland_right": 1, "parotid_gland_left": 2}, "Other")
    assert logic.compare(one, other).measure() == logic.compare(node, add_reference(node)).measure()
    logic.takeOver(logic.compare(one, other), RIGHT)
    assert [one.GetSegmentation().GetNthSegment(n).GetName() for n in range(2)] == ["Parotide G", "Parotide D"]
    assert one.GetSegmentation().GetNumberOfSegments() == 2
    assert [round(gland.scores.dice, 3) for gland in logic.compare(one, other).measure()] == [1.0, 0.839]


def test_a_reference_of_another_patient_and_a_gland_that_was_not_drawn_are_said(
    logic: ParotidSegLogic, node: Any, place_in_study: Any
) -> None:
    reference = add_reference(node)
    node.GetSegmentation().RemoveSegment(LEFT)
    hierarchy = slicer.mrmlScene.GetSubjectHierarchyNode()
    for one, patient in ((volume_of(node), "One"), (reference, "Two")):
        hierarchy.RemoveItem(hierarchy.GetItemByDataNode(one), False, False)
        place_in_study(one, patient, "Study")
    remarks = logic.compare(node, reference).remarks()
    assert remarks == [
        "The reference is filed under another patient than the CT.",
        "This segmentation has no left parotid gland.",
    ]


def test_a_person_may_choose_other_segments_or_none(logic: ParotidSegLogic, node: Any) -> None:
    reference = add_named(volume_of(node), made_scan().wanted, {"Parotid_R": 1, "Parotid_L": 2, "Draft": 1})
    comparison = logic.compare(node, reference, segments={RIGHT: "Segment_3", LEFT: ""})
    assert comparison.segments == {RIGHT: "Segment_3"}
    assert "no segment for: Left parotid gland" in " ".join(comparison.remarks())
    gone = logic.compare(node, reference, segments={RIGHT: "Segment_9"})
    assert gone.segments == {RIGHT: "Segment_1", LEFT: "Segment_2"}


# --- the table -----------------------------------------------------------------------------------------------------


def test_the_table_and_the_file_say_the_same_and_name_nobody(logic: ParotidSegLogic, node: Any, tmp_path: Any) -> None:
    reference = add_reference(node, name="Doe, Jane")
    figures = logic.compare(node, reference).measure()
    text = as_text(figures)
    lines = [line.split("\t") for line in text.splitlines()]
    assert lines[0] == ["", "Right parotid gland", "Left parotid gland"]
    cells = {name: values for name, *values in lines}
    (tmp_path / "größer").mkdir()
    file = write_table(figures, tmp_path / "größer" / "table.csv")
    with file.open(encoding="utf-8", newline="") as opened:
        rows = list(csv.DictReader(opened))
    assert [row["structure"] for row in rows] == [RIGHT, LEFT]
    for row, dice, volume, path in zip(rows, cells["Dice"], cells["Volume, mL"], cells["To redraw, mm"], strict=True):
        assert f"{float(row['dice']):.3f}" == dice
        assert f"{float(row['volume_a_ml']):.1f} ({float(row['volume_b_ml']):.1f})" == volume
        assert f"{float(row['added_path_to_b_mm']):.0f}" == path
    assert "Doe" not in text + file.read_text(encoding="utf-8")


def test_a_gland_that_is_missing_leaves_no_number_that_means_nothing(logic: ParotidSegLogic, node: Any) -> None:
    node.GetSegmentation().ClearSegment(LEFT)
    figures = logic.compare(node, add_reference(node)).measure()
    cells = {row.name: row.values[1] for row in rows_of(figures)}
    assert (cells["Dice"], cells["HD95, mm"], cells["Sup. / inf., mm"]) == ("0.000", "∞", "– / –")
    assert cells["Volume, mL"].startswith("0.0 (")


def test_signs_say_who_is_larger(logic: ParotidSegLogic, node: Any) -> None:
    scan = made_scan()
    smaller = logic.compare(node, add_reference(node)).measure()
    cells = {row.name: row.values[0] for row in rows_of(smaller)}
    assert cells["Difference, mL"].startswith("\N{MINUS SIGN}")
    scene.put_segments(node, scan.wanted, volume_of(node))
    larger = logic.compare(node, add_reference(node, scan.automatic)).measure()
    assert {row.name: row.values[0] for row in rows_of(larger)}["Difference, mL"].startswith("+")


def test_what_rounds_to_nothing_has_no_sign() -> None:
    assert [signed(value, 1) for value in (-0.04, 0.04, -0.05001, 0.06, math.nan, math.inf)] == [
        "0.0",
        "0.0",
        "\N{MINUS SIGN}0.1",
        "+0.1",
        "–",
        "∞",
    ]
