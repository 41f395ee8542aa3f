"""ParotidSegTraining in Slicer: real commands in child processes, and Bland-Altman as real tables and charts."""

from __future__ import annotations

import math
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from application.scripted import load_scripted_module
from made_training import tiny_recipe

from ParotidSegLib.errors import DataError, WorkerError
from ParotidSegLib.measuring.metrics import NSD_TOLERANCES, StructureScores
from ParotidSegLib.structures import PAROTIDS
from ParotidSegTrainingLib.judging.agreement import agreement_table, bland_altman
from ParotidSegTrainingLib.judging.results import CaseScores, Results, agreements, read_results, volumes, write_results

REPOSITORY = Path(__file__).resolve().parents[2]
MODULE = REPOSITORY / "ParotidSegTraining" / "ParotidSegTraining.py"


@pytest.fixture(autouse=True)
def packages_of_the_tests_only(tmp_path, monkeypatch):
    """What a person has installed for the module is not looked at."""
    monkeypatch.setenv("PAROTIDSEG_PACKAGES", str(tmp_path / "no_packages"))


@pytest.fixture
def logic(slicer_app):
    from ParotidSegTrainingLib.in_slicer.logic import ParotidSegTrainingLogic

    lines: list[str] = []
    made = ParotidSegTrainingLogic(report=lines.append)
    made.lines = lines
    return made


def made_results(count: int = 6, seed: int = 5) -> Results:
    """Volumes of a made evaluation; the last case has no left gland in either reading."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        scores = {}
        for structure in PAROTIDS:
            reference = float(rng.uniform(18, 35))
            candidate = reference + float(rng.normal(1.5, 2.0))
            if structure.side == "left" and number == count - 1:
                reference = candidate = 0.0
            nsd = dict.fromkeys(NSD_TOLERANCES, 0.9)
            scores[structure.key] = StructureScores(0.9, 0.8, 3.0, 1.0, nsd, reference, candidate, False)
        rows.append(CaseScores(f"case_{number + 1:03d}", scores, False, (), 1.0, 0.99))
    return Results(tuple(rows), PAROTIDS, {"name": "made"})


def column(node, name: str) -> list:
    array = node.GetTable().GetColumnByName(name)
    return [array.GetValue(row) for row in range(array.GetNumberOfValues())]


def run_timers_until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    import qt

    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it took too long"
        qt.QApplication.processEvents()
        time.sleep(0.02)


# --- the module file -------------------------------------------------------------------------------------------------


def test_the_module_describes_itself_and_its_self_test_passes(slicer_app):
    module = load_scripted_module(slicer_app, MODULE)
    parent = slicer_app.modules.ParotidSegTrainingInstance.parent
    assert parent.hidden
    assert parent.dependencies == ["ParotidSeg"]
    assert "Bland-Altman" in parent.helpText
    module.ParotidSegTrainingTest().runTest()


def test_importing_the_module_file_loads_nothing_of_the_library():
    code = (
        "import sys; sys.path[:0] = sys.argv[1:]\n"
        "from application.start import start; start()\n"
        "import ParotidSegTraining\n"
        "print([name for name in sys.modules if name.startswith(('ParotidSegLib', 'ParotidSegTrainingLib.'))])"
    )
    folders = [str(REPOSITORY / "Testing" / "Slicer"), str(MODULE.parent), str(REPOSITORY / "ParotidSeg")]
    ran = subprocess.run([sys.executable, "-c", code, *folders], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


# --- agreement -------------------------------------------------------------------------------------------------------


def test_the_tables_hold_the_cases_and_the_statistics_of_the_files(logic, tmp_path):
    results = made_results()
    write_results(results, tmp_path)
    nodes = logic.showAgreement(tmp_path)
    read = read_results(tmp_path)
    assert [of.structure for of in nodes] == list(PAROTIDS)
    for of_gland in nodes:
        key = of_gland.structure.key
        reference, candidate = volumes(read.rows)[key]
        assert column(of_gland.cases, "reference mL") == reference
        assert column(of_gland.cases, "candidate mL") == candidate
        np.testing.assert_allclose(column(of_gland.cases, "difference mL"), np.subtract(candidate, reference))
        agreement = agreements(read.rows)[key]
        values = dict(zip(column(of_gland.statistics, "statistic"), column(of_gland.statistics, "value"), strict=True))
        assert values["bias mL"] == agreement.bias.value
        assert values["upper limit (bias + 1.96 SD) mL"] == agreement.upper.value
        assert values["p of the slope"] == agreement.slope_p
        assert values["n"] == len(reference) == (6 if key == "Parotid_R" else 5)
        assert column(of_gland.statistics, "95 % CI from")[1] == agreement.lower.low
    assert column(nodes[0].cases, "case") == [row.case for row in read.rows]
    assert "1.96" in agreement_table(agreements(read.rows))


def test_the_chart_shows_points_bias_and_limits(logic, slicer_app, tmp_path):
    results = made_results()
    write_results(results, tmp_path)
    right = logic.showAgreement(tmp_path)[0]
    chart, kind = right.chart, slicer_app.vtkMRMLPlotSeriesNode
    assert chart.GetTitle() == "Right parotid gland (n = 6)"
    assert "mL" in chart.GetXAxisTitle()
    series = [chart.GetNthPlotSeriesNode(index) for index in range(chart.GetNumberOfPlotSeriesNodes())]
    assert [one.GetName() for one in series] == ["Right parotid gland", "bias", "+1.96 SD", "-1.96 SD"]
    points, bias = series[0], series[1]
    assert points.GetTableNode() is right.cases
    assert (points.GetXColumnName(), points.GetYColumnName()) == ("mean mL", "difference mL")
    assert (points.GetLineStyle(), bias.GetLineStyle()) == (kind.LineStyleNone, kind.LineStyleSolid)
    np.testing.assert_allclose(np.array(points.GetColor()) * 255, PAROTIDS[0].colour)
    agreement = bland_altman(*volumes(results.rows)["Parotid_R"])
    assert column(bias.GetTableNode(), bias.GetYColumnName()) == pytest.approx([agreement.bias.value] * 2)
    ends = column(bias.GetTableNode(), "mean mL")
    assert ends[0] < min(column(right.cases, "mean mL")) < max(column(right.cases, "mean mL")) < ends[1]
    assert all(one.GetPlotType() == kind.PlotTypeScatter for one in series)


def test_tables_and_charts_are_filed_in_one_folder_and_saved_with_the_scene(logic, slicer_app, tmp_path):
    write_results(made_results(), tmp_path / "results")
    logic.showAgreement(tmp_path / "results")
    hierarchy = slicer_app.mrmlScene.GetSubjectHierarchyNode()
    folder = hierarchy.GetItemByName("Agreement of made")
    # Of each gland: three tables, the chart, its points and three lines. Nothing lies loose beside the folder.
    assert hierarchy.GetNumberOfItemChildren(folder) == 16
    for node in slicer_app.util.getNodesByClass("vtkMRMLPlotSeriesNode"):
        assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)) == folder
    slicer_app.util.saveScene(str(tmp_path / "scene.mrb"))
    slicer_app.mrmlScene.Clear(True)
    slicer_app.util.loadScene(str(tmp_path / "scene.mrb"))
    table = slicer_app.util.getNode("Left parotid gland: volumes")
    assert len(column(table, "case")) == 5
    chart = slicer_app.util.getNode("Left parotid gland: agreement")
    assert chart.GetNthPlotSeriesNode(0).GetTableNode() is table


def test_a_single_case_has_a_bias_but_no_limits(slicer_app):
    from ParotidSegTrainingLib.in_slicer.agreement_nodes import show_agreement

    (right,) = show_agreement(made_results(1))
    assert right.chart.GetNumberOfPlotSeriesNodes() == 2
    assert math.isnan(column(right.statistics, "value")[1])


def test_a_folder_without_results_is_named(logic, tmp_path):
    with pytest.raises(DataError, match="holds no results"):
        logic.showAgreement(tmp_path)


# --- commands --------------------------------------------------------------------------------------------------------


def test_two_readers_are_scored_and_shown(logic, made_dataset, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    for path in (made_dataset / "masks").iterdir():
        labels = sitk.ReadImage(str(path))
        sitk.WriteImage(sitk.GrayscaleDilate(labels, [1, 1, 1]), str(other / path.name))
    folder = logic.evaluateContours(made_dataset / "masks", other, tmp_path / "results")
    assert folder == tmp_path / "results"
    assert any("bias mL" in line for line in logic.lines)
    right, left = logic.showAgreement(folder)
    for of_gland in (right, left):
        assert len(column(of_gland.cases, "case")) == 6
        assert column(of_gland.statistics, "value")[0] > 0  # a dilated gland is larger


def test_a_data_set_is_prepared_from_files(logic, made_dataset, tmp_path):
    source = tmp_path / "clinic"
    for name in ("images", "masks"):
        (source / name).mkdir(parents=True)
        for path in (made_dataset / name).glob("*.nii.gz"):
            (source / name / path.name).symlink_to(path)
    logic.prepare([source], tmp_path / "data", options=["--shares", "60", "20", "20"])
    assert len(list((tmp_path / "data" / "images").iterdir())) == 3
    assert (tmp_path / "data" / "splits.json").is_file()


def test_two_folders_of_contours_are_compared(logic, made_dataset, tmp_path):
    masks = made_dataset / "masks"
    page = logic.compare(made_dataset, masks, masks, tmp_path / "out", options=["--overlays", "0", "--names", "A", "B"])
    assert page == tmp_path / "out" / "report.html"
    assert page.is_file()
    assert len(logic.showAgreement(tmp_path / "out" / "a")) == 2


def test_failures_and_wrong_use_are_the_commands_own_sentences(logic, tmp_path):
    with pytest.raises(WorkerError, match="missing") as failed:
        logic.evaluateContours(tmp_path / "missing", tmp_path / "missing", tmp_path / "results")
    assert "parotidseg-train" not in str(failed.value)
    with pytest.raises(WorkerError, match="invalid choice: 'nowhere'"):
        logic.evaluate(tmp_path, tmp_path / "results", options=["--split", "nowhere"])


@pytest.mark.engine
def test_a_training_tells_its_progress_can_be_cancelled_and_goes_on(slicer_app, made_dataset, tmp_path):
    from ParotidSegLib.in_slicer.worker.process_tree import marked
    from ParotidSegTrainingLib.in_slicer.logic import ParotidSegTrainingLogic

    recipe = tmp_path / "my recipe.json"
    recipe.write_text(tiny_recipe(optimisation__epochs=2, optimisation__steps_per_epoch=2).to_json(), encoding="utf-8")
    lines: list[str] = []
    fractions: list[float] = []
    logic = ParotidSegTrainingLogic(lines.append, lambda fraction, message, left: fractions.append(fraction))
    ended = []
    work = logic.train(recipe, made_dataset, tmp_path / "run", callback=ended.append)
    assert not work.finished
    run_timers_until(lambda: bool(lines) and any(fraction >= 0.5 for fraction in fractions))
    work.cancel()
    run_timers_until(lambda: bool(ended))
    assert work.failure == "The work was cancelled."
    assert not list(marked(work.job._mark))
    assert not work.job.workdir.exists()
    assert (tmp_path / "run").is_dir()
    assert logic.train(recipe, made_dataset, tmp_path / "run") == tmp_path / "run"
    assert fractions == sorted(fractions) or fractions[-1] == 1.0
    history = (tmp_path / "run" / "history.csv").read_text(encoding="utf-8").splitlines()
    assert len(history) == 3  # a heading and two epochs, none twice
