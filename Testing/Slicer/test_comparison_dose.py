"""The dose beside a comparison: what is taken for one, the figures, and Slicer's chart."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
import slicer
import slicer.util
from made_corrections import made_scan
from made_doses import write_rtdose
from made_reference import add_dose, add_reference, made_dose
from made_strokes import LEFT, RIGHT, correct

from ParotidSegLib.dose.figures import dose_figures
from ParotidSegLib.dose.reading import Dose
from ParotidSegLib.errors import DataError
from ParotidSegLib.in_slicer.comparing.dose.volumes import dose_of, is_dose
from ParotidSegLib.in_slicer.comparing.dose_plot import DosePlot
from ParotidSegLib.in_slicer.comparing.table import rows_of, write_table
from ParotidSegLib.in_slicer.logic import ParotidSegLogic, volume_of
from ParotidSegLib.in_slicer.running.several import scans_of_scene
from ParotidSegLib.reviewing.review import ReviewedContours, review
from ParotidSegLib.writing.pages.review_files import TABLE, write_review

#: Gy of a stored unit.
SCALING = 0.001


@pytest.fixture
def logic(slicer_app: Any) -> ParotidSegLogic:
    return ParotidSegLogic()


def test_the_doses_are_those_of_the_library(logic: ParotidSegLogic, node: Any, add_volume: Any) -> None:
    dose = add_dose(add_volume)
    measured = logic.compare(node, add_reference(node), doseNode=dose).measure()
    scan = made_scan()
    for side, labels in (("own", scan.automatic), ("reference", scan.wanted)):
        expected = dose_figures(Dose(made_dose()), labels)
        for one in measured:
            found = getattr(one.doses, side)
            assert found.mean == pytest.approx(expected[one.structure.key].mean, abs=1e-3)
            assert found.d50 == pytest.approx(expected[one.structure.key].d50, abs=1e-3)
            assert found.volume_of == pytest.approx(expected[one.structure.key].volume_of, abs=1e-3)
    # It falls off from the patient's right to the left: 0.4 Gy a mm over 110 mm.
    assert measured[0].doses.own.mean == pytest.approx(30.0 + 0.4 * 55.0, abs=0.3)
    assert measured[1].doses.own.mean == pytest.approx(30.0 - 0.4 * 55.0, abs=0.3)


def test_the_table_says_what_the_difference_means_and_the_file_agrees_with_a_review(
    logic: ParotidSegLogic, node: Any, add_volume: Any, tmp_path: Path
) -> None:
    figures = logic.compare(node, add_reference(node), doseNode=add_dose(add_volume)).measure()
    cells = {row.name: row.values for row in rows_of(figures)}
    assert cells["Side of 26 Gy"] == ("above (above)", "below (below)")
    assert cells["Mean dose, Gy"][0].startswith(f"{figures[0].doses.own.mean:.1f} (")
    scan = made_scan()
    contours = [ReviewedContours(name, labels) for name, labels in (("a", scan.automatic), ("b", scan.wanted))]
    write_review(
        scan.image, review(scan.image, *contours, dose=Dose(made_dose())), tmp_path, made={"software": {}, "date": ""}
    )
    tables = []
    for file in (tmp_path / TABLE, write_table(figures, tmp_path / "panel.csv")):
        with file.open(encoding="utf-8", newline="") as opened:
            tables.append(list(csv.DictReader(opened)))
    for theirs, ours in zip(*tables, strict=True):
        assert len(ours) > 35
        for name, value in ours.items():
            assert value == theirs[name] or float(value) == pytest.approx(float(theirs[name]), abs=2e-3), name


def test_a_dose_under_a_transform_lies_where_the_scene_shows_it(
    logic: ParotidSegLogic, node: Any, add_volume: Any, add_transform: Any
) -> None:
    dose = add_dose(add_volume, made_dose(shift=20.0))
    back = np.eye(4)
    back[0, 3] = 20.0  # RAS: towards the right, against the shift to the left
    dose.SetAndObserveTransformNodeID(add_transform(back).GetID())
    moved = logic.compare(node, add_reference(node), doseNode=dose).measure()
    there = logic.compare(node, add_reference(node), doseNode=add_dose(add_volume)).measure()
    assert moved[0].doses.own.mean == pytest.approx(there[0].doses.own.mean, abs=1e-3)


# --- what is no dose in Gy -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("unit", "sentence"), [("RELATIVE", "in percent"), ("%", "in percent"), ("Sv", "'SV', is not known")]
)
def test_other_units_are_refused(unit: str, sentence: str, node: Any, add_volume: Any) -> None:
    with pytest.raises(DataError, match=sentence):
        dose_of(add_dose(add_volume, unit=unit), volume_of(node))


def test_the_unit_may_stand_with_the_volume_itself_and_may_be_cgy(node: Any, add_volume: Any) -> None:
    dose = add_dose(add_volume, made_dose() * 100.0, unit="")
    dose.SetAttribute("DicomRtImport.DoseUnitName", "cGy")
    assert dose_of(dose, volume_of(node)).maximum == pytest.approx(Dose(made_dose()).maximum, rel=1e-5)


def test_without_a_unit_gy_are_assumed_and_said_but_never_percent(node: Any, add_volume: Any) -> None:
    plain = add_volume(made_dose(), "Dose of unknown origin")
    (remark,) = dose_of(plain, volume_of(node)).remarks
    assert "taken for Gy" in remark
    with pytest.raises(DataError, match="may be a dose in percent"):
        dose_of(add_volume(made_dose(middle=60.0), "Percent"), volume_of(node))


def test_values_that_no_dose_has_are_refused(node: Any, add_volume: Any) -> None:
    with pytest.raises(DataError, match="below 0"):
        dose_of(add_volume(made_scan().image, "Another CT"), volume_of(node))
    with pytest.raises(DataError, match="more than any treatment"):
        dose_of(add_dose(add_volume, made_dose() * 100.0), volume_of(node))
    with pytest.raises(DataError, match="CT itself"):
        dose_of(volume_of(node), volume_of(node))


def test_a_dose_of_another_patient_or_place_is_refused(node: Any, add_volume: Any, place_in_study: Any) -> None:
    with pytest.raises(DataError, match="beside the CT"):
        dose_of(add_dose(add_volume, made_dose(shift=400.0)), volume_of(node))
    place_in_study(volume_of(node), "Somebody else", "CT")
    with pytest.raises(DataError, match="another patient"):
        dose_of(add_dose(add_volume), volume_of(node))


def test_a_dose_that_does_not_cover_a_gland_leaves_the_other_figures(
    logic: ParotidSegLogic, node: Any, add_volume: Any
) -> None:
    half = made_dose()[:18]  # the patient's right alone
    comparison = logic.compare(node, add_reference(node), doseNode=add_dose(add_volume, half))
    right, left = comparison.measure()
    assert right.doses.own is not None
    assert left.doses.own is None
    assert left.scores.dice > 0.8
    assert any("beyond the dose grid" in remark for remark in comparison.remarks())
    assert {row.name: row.values[1] for row in rows_of([right, left])}["Mean dose, Gy"] == "– (–)"


def test_a_dose_that_is_refused_leaves_the_figures_and_is_said(
    logic: ParotidSegLogic, node: Any, add_volume: Any
) -> None:
    comparison = logic.compare(node, add_reference(node), doseNode=add_dose(add_volume, unit="RELATIVE"))
    assert comparison.measure()[0].scores.dice > 0.8
    assert any("in percent" in remark for remark in comparison.remarks())


# --- where it comes from -------------------------------------------------------------------------------------------


def database_dose(dicom_database: Any, folder: Path, **changes: Any) -> Any:
    """An RTDOSE of the database, loaded by the reader that Slicer has without SlicerRT."""
    path = write_rtdose(folder / "dose" / "dose.dcm", made_dose(), scaling=SCALING, **changes)
    dicom_database.addFolder(path.parent)
    node = slicer.util.loadVolume(str(path), {"show": False, "singleFile": True})
    node.SetAttribute("DICOM.instanceUIDs", str(pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID))
    return node


def test_stored_numbers_of_slicers_own_reader_are_gy_by_their_file(
    node: Any, dicom_database: Any, tmp_path: Path
) -> None:
    loaded = database_dose(dicom_database, tmp_path)
    assert loaded.GetImageData().GetScalarRange()[1] > 1000.0  # the stored numbers
    dose = dose_of(loaded, volume_of(node))
    assert dose.remarks == ()
    np.testing.assert_allclose(*(sitk.GetArrayFromImage(one) for one in (dose.image, made_dose())), atol=1e-3)
    assert dose.image.GetOrigin() == pytest.approx(made_dose().GetOrigin(), abs=1e-3)
    assert dose.image.GetSpacing() == pytest.approx((5.0, 5.0, 5.0))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [({"DoseUnits": "RELATIVE"}, "in percent"), ({"DoseSummationType": "BEAM"}, "a single beam")],
)
def test_what_the_file_says_is_checked(
    changes: dict[str, str], sentence: str, node: Any, dicom_database: Any, *, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=sentence):
        dose_of(database_dose(dicom_database, tmp_path, **changes), volume_of(node))


def test_a_dose_that_slicerrt_has_scaled_is_not_scaled_again(node: Any, dicom_database: Any, tmp_path: Path) -> None:
    loaded = database_dose(dicom_database, tmp_path)
    scaled = slicer.util.arrayFromVolume(loaded).astype(np.float32) * SCALING
    slicer.util.updateVolumeFromArray(loaded, scaled)
    loaded.SetAttribute("DicomRtImport.DoseVolume", "1")
    assert dose_of(loaded, volume_of(node)).maximum == pytest.approx(Dose(made_dose()).maximum, abs=2e-3)
    slicer.util.updateVolumeFromArray(loaded, np.minimum(scaled, 40.0))
    with pytest.raises(DataError, match="other values than the RTDOSE"):
        dose_of(loaded, volume_of(node))


def test_a_dose_that_lies_elsewhere_than_its_file_says_is_said(node: Any, dicom_database: Any, tmp_path: Path) -> None:
    loaded = database_dose(dicom_database, tmp_path)
    loaded.SetOrigin(*np.add(loaded.GetOrigin(), (0.0, 0.0, 10.0)))
    (remark,) = dose_of(loaded, volume_of(node)).remarks
    assert "does not lie where its RTDOSE says" in remark


def test_a_dose_is_never_proposed_as_ct(node: Any, add_volume: Any) -> None:
    dose = add_dose(add_volume)
    assert is_dose(dose)
    assert scans_of_scene() == [volume_of(node)]


# --- correcting, and the chart --------------------------------------------------------------------------------------


def test_a_correction_updates_one_glands_dose_and_asks_for_no_other(
    logic: ParotidSegLogic, node: Any, add_volume: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference, dose = add_reference(node), add_dose(add_volume)
    first = logic.compare(node, reference, doseNode=dose)
    before = first.measure()
    correct(node, LEFT, range(8, 30))
    asked: list[str] = []
    module = "ParotidSegLib.in_slicer.comparing.dose.dosing.dose_figures"
    monkeypatch.setattr(module, lambda d, labels, which: asked.append(which[0].key) or dose_figures(d, labels, which))
    after = logic.compare(node, reference, doseNode=dose, former=first).measure()
    assert asked == [LEFT]  # the reference's dose, and the right gland's, are known
    assert after[1].doses.own.mean != before[1].doses.own.mean
    assert after[1].doses.reference is before[1].doses.reference
    other = add_dose(add_volume, made_dose(middle=20.0))
    changed = logic.compare(node, reference, doseNode=other, former=first).measure()
    assert changed[0].doses.own.mean == pytest.approx(before[0].doses.own.mean - 10.0, abs=0.1)
    none = logic.compare(node, reference, former=first).measure()
    assert none[0].doses.own is None


def test_the_chart_shows_both_contours_of_both_glands(logic: ParotidSegLogic, node: Any, add_volume: Any) -> None:
    comparison = logic.compare(node, add_reference(node), doseNode=add_dose(add_volume))
    plot = DosePlot()
    plot.show(comparison.measure())
    series = [plot.chart.GetNthPlotSeriesNode(index) for index in range(plot.chart.GetNumberOfPlotSeriesNodes())]
    names = [one.GetName() for one in series]
    assert names == [
        "Right parotid gland",
        "Right parotid gland, reference",
        "Left parotid gland",
        "Left parotid gland, reference",
    ]
    styles = slicer.vtkMRMLPlotSeriesNode
    assert [one.GetLineStyle() for one in series] == [styles.LineStyleSolid, styles.LineStyleDash] * 2
    table = series[0].GetTableNode()
    doses, right = (slicer.util.arrayFromTableColumn(table, name) for name in ("dose, Gy", names[0]))
    assert right[0] == pytest.approx(100.0)
    assert right[-1] == 0.0
    assert (np.diff(right) <= 1e-9).all()
    figures = comparison.figures[0].doses.own
    assert np.interp(figures.d50, doses, right) == pytest.approx(50.0, abs=3.0)
    correct(node, RIGHT, range(5, 35))
    plot.show(logic.compare(node, comparison.reference, doseNode=plot_dose(), former=comparison).measure())
    assert plot.chart.GetNumberOfPlotSeriesNodes() == 4
    assert (
        np.abs(slicer.util.arrayFromTableColumn(table, names[0])[: len(right)] - right[: table.GetNumberOfRows()]).max()
        > 0
    )


def plot_dose() -> Any:
    return slicer.util.getNode("Dose")


def test_the_chart_leaves_nothing_behind(logic: ParotidSegLogic, node: Any, add_volume: Any, tmp_path: Path) -> None:
    comparison = logic.compare(node, add_reference(node), doseNode=add_dose(add_volume))
    plot, kinds = DosePlot(), ("vtkMRMLPlotChartNode", "vtkMRMLPlotSeriesNode", "vtkMRMLTableNode")
    plot.show(comparison.measure())
    slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    plot.remove()
    assert [slicer.mrmlScene.GetNumberOfNodesByClass(kind) for kind in kinds] == [0, 0, 0]
    slicer.mrmlScene.Clear(False)
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    assert [slicer.mrmlScene.GetNumberOfNodesByClass(kind) for kind in kinds] == [0, 0, 0]


def test_the_layout_is_given_back_unless_somebody_has_chosen_another_one(
    logic: ParotidSegLogic, node: Any, add_volume: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slicer.app, "layoutManager", lambda: "a window")
    figures = logic.compare(node, add_reference(node), doseNode=add_dose(add_volume)).measure()
    layout = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLayoutNode")
    view = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotViewNode")
    layout.SetViewArrangement(layout.SlicerLayoutFourUpView)
    plot = DosePlot()
    for own_choice in (False, True):
        plot.show(figures)
        assert view.GetPlotChartNodeID() == plot.chart.GetID()
        assert layout.GetViewArrangement() != layout.SlicerLayoutFourUpView
        if own_choice:
            layout.SetViewArrangement(layout.SlicerLayoutOneUpRedSliceView)
        plot.remove()
        expected = layout.SlicerLayoutOneUpRedSliceView if own_choice else layout.SlicerLayoutFourUpView
        assert layout.GetViewArrangement() == expected
