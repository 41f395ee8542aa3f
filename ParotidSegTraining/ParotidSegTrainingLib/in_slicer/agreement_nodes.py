"""Bland-Altman in the scene: for each structure a table of its cases, a table of the statistics, and a plot chart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import slicer
import slicer.util
import vtk

from ParotidSegLib.structures import Structure

from ..judging.agreement import LIMIT_FACTOR, BlandAltman, bland_altman
from ..judging.results import CaseScores, Results, read_results

_CASE, _REFERENCE, _CANDIDATE, _MEAN, _DIFFERENCE = "case", "reference mL", "candidate mL", "mean mL", "difference mL"
_INK = (0.1, 0.1, 0.1)


@dataclass(frozen=True)
class AgreementNodes:
    """The nodes of one structure.

    Attributes:
        cases: table: a row a case.
        statistics: table: bias and limits of agreement with their 95 % confidence intervals, SD, slope and its p-value.
        lines: table: the ends of the lines of the chart.
        chart: plot chart: differences over means, bias and limits.
        series: plot series: the points of the chart and its lines.
    """

    structure: Structure
    cases: Any
    statistics: Any
    lines: Any
    chart: Any
    series: tuple[Any, ...]


def show_agreement(results: Results | str | Path, *, name: str = "", show: bool = True) -> list[AgreementNodes]:
    """Put the agreement of volumes of a finished evaluation into the scene.

    Args:
        results: an evaluation, or the folder that `evaluate` wrote.
        name: of the folder in the subject hierarchy; by default that of the evaluation.
        show: switch the layout to the first chart, if there is a main window.

    Returns:
        The nodes of each structure that any case has.

    Raises:
        DataError: the folder holds no results.
        ParotidSegError: SciPy is missing.
    """
    found = results if isinstance(results, Results) else read_results(Path(results))
    nodes = [
        _nodes_of(structure, rows)
        for structure in found.structures
        if (rows := [row for row in found.rows if _has(row, structure)])
    ]
    _file_away(nodes, name or f"Agreement of {found.name}")
    if show and nodes and slicer.app.layoutManager() is not None:
        slicer.modules.plots.logic().ShowChartInLayout(nodes[0].chart)
    return nodes


def _has(row: CaseScores, structure: Structure) -> bool:
    """Whether the case counts, as for `results.volumes`."""
    scores = row.scores[structure.key]
    return scores.volume_reference_ml > 0.0 or scores.volume_ml > 0.0


def _nodes_of(structure: Structure, rows: Sequence[CaseScores]) -> AgreementNodes:
    reference = [row.scores[structure.key].volume_reference_ml for row in rows]
    candidate = [row.scores[structure.key].volume_ml for row in rows]
    means = [(a + b) / 2.0 for a, b in zip(reference, candidate, strict=True)]
    differences = [b - a for a, b in zip(reference, candidate, strict=True)]
    agreement = bland_altman(reference, candidate)
    cases = _table(
        f"{structure.name}: volumes",
        {
            _CASE: [row.case for row in rows],
            _REFERENCE: reference,
            _CANDIDATE: candidate,
            _MEAN: means,
            _DIFFERENCE: differences,
        },
    )
    statistics = _statistics(structure, agreement)
    lines = _lines(structure, agreement, (min(means), max(means)))
    chart, series = _chart(structure, cases, lines, agreement)
    return AgreementNodes(structure, cases, statistics, lines, chart, series)


def _statistics(structure: Structure, agreement: BlandAltman) -> Any:
    nan = math.nan
    estimates = {
        "bias mL": agreement.bias,
        f"lower limit (bias - {LIMIT_FACTOR} SD) mL": agreement.lower,
        f"upper limit (bias + {LIMIT_FACTOR} SD) mL": agreement.upper,
    }
    single = {"SD mL": agreement.sd, "slope": agreement.slope, "p of the slope": agreement.slope_p, "n": agreement.n}
    return _table(
        f"{structure.name}: Bland-Altman",
        {
            "statistic": [*estimates, *single],
            "value": [*(e.value for e in estimates.values()), *map(float, single.values())],
            "95 % CI from": [*(e.low for e in estimates.values()), *[nan] * len(single)],
            "95 % CI to": [*(e.high for e in estimates.values()), *[nan] * len(single)],
        },
    )


def _lines(structure: Structure, agreement: BlandAltman, span: tuple[float, float]) -> Any:
    """The ends of the lines; a line that too few cases cannot give has no column."""
    margin = 0.05 * (span[1] - span[0]) or 1.0
    heights = {
        "bias": agreement.bias.value,
        f"+{LIMIT_FACTOR} SD": agreement.upper.value,
        f"-{LIMIT_FACTOR} SD": agreement.lower.value,
    }
    ends = {name: [height, height] for name, height in heights.items() if math.isfinite(height)}
    return _table(f"{structure.name}: lines of the chart", {_MEAN: [span[0] - margin, span[1] + margin], **ends})


def _table(name: str, columns: dict[str, Sequence[str] | Sequence[float]]) -> Any:
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", slicer.mrmlScene.GenerateUniqueName(name))
    was_modifying = node.StartModify()
    for title, values in columns.items():
        is_text = any(isinstance(value, str) for value in values)
        array = vtk.vtkStringArray() if is_text else vtk.vtkDoubleArray()
        array.SetName(title)
        for value in values:
            array.InsertNextValue(value)
        node.AddColumn(array)
    node.EndModify(was_modifying)
    return node


def _chart(structure: Structure, cases: Any, lines: Any, agreement: BlandAltman) -> tuple[Any, tuple[Any, ...]]:
    """The chart and its series."""
    chart = slicer.mrmlScene.AddNewNodeByClass(
        "vtkMRMLPlotChartNode", slicer.mrmlScene.GenerateUniqueName(f"{structure.name}: agreement")
    )
    chart.SetTitle(f"{structure.name} (n = {agreement.n})")
    chart.SetXAxisTitle("Mean of candidate and reference, mL")
    chart.SetYAxisTitle("Candidate \N{MINUS SIGN} reference, mL")
    points = _series(chart, structure.name, cases, _DIFFERENCE)
    points.SetLabelColumnName(_CASE)
    points.SetMarkerStyle(slicer.vtkMRMLPlotSeriesNode.MarkerStyleCircle)
    points.SetLineStyle(slicer.vtkMRMLPlotSeriesNode.LineStyleNone)
    points.SetColor(*(channel / 255.0 for channel in structure.colour))
    series = [points]
    for column in range(1, lines.GetNumberOfColumns()):
        title = lines.GetColumnName(column)
        line = _series(chart, title, lines, title)
        line.SetMarkerStyle(slicer.vtkMRMLPlotSeriesNode.MarkerStyleNone)
        solid, dashed = slicer.vtkMRMLPlotSeriesNode.LineStyleSolid, slicer.vtkMRMLPlotSeriesNode.LineStyleDash
        line.SetLineStyle(solid if title == "bias" else dashed)
        line.SetColor(*_INK)
        series.append(line)
    return chart, tuple(series)


def _series(chart: Any, name: str, table: Any, column: str) -> Any:
    series = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", name)
    series.SetAndObserveTableNodeID(table.GetID())
    series.SetPlotType(slicer.vtkMRMLPlotSeriesNode.PlotTypeScatter)
    series.SetXColumnName(_MEAN)
    series.SetYColumnName(column)
    chart.AddAndObservePlotSeriesNodeID(series.GetID())
    return series


def _file_away(nodes: Sequence[AgreementNodes], name: str) -> None:
    """Put the nodes into one folder of the subject hierarchy."""
    hierarchy = slicer.mrmlScene.GetSubjectHierarchyNode()
    if hierarchy is None or not nodes:
        return
    folder = hierarchy.CreateFolderItem(hierarchy.GetSceneItemID(), name)
    for of_structure in nodes:
        tables = (of_structure.cases, of_structure.statistics, of_structure.lines)
        for node in (of_structure.chart, *of_structure.series, *tables):
            item = hierarchy.GetItemByDataNode(node)
            if item:
                hierarchy.SetItemParent(item, folder)
            else:
                hierarchy.CreateItem(folder, node)
