"""The dose-volume histograms of a comparison in Slicer's own chart, for as long as it is wanted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import slicer
from slicer.i18n import tr as _
from vtk.util.numpy_support import numpy_to_vtk

from ...dose.figures import BIN_GY, GlandDose
from ..scene.scene import is_in_scene
from .comparison import GlandFigures

#: A point of a curve each so many Gy: a plot shows no more.
STEP_GY = 0.5
_DOSE = "dose, Gy"


class DosePlot:
    """A chart, its series and their table: nodes that are not saved with the scene, and go with `remove`."""

    def __init__(self) -> None:
        self.chart: Any = None
        self._table: Any = None
        self._series: dict[str, Any] = {}
        self._layout: tuple[int, int] | None = None  # before it was shown, and since

    @property
    def is_shown(self) -> bool:
        """Whether the chart is in the scene."""
        return is_in_scene(self.chart) and is_in_scene(self._table)

    def show(self, figures: Sequence[GlandFigures]) -> None:
        """Show the curves of these glands: the contour's as a line, the reference's dashed, in the gland's colour."""
        curves = {
            f"{one.structure.name}{ending}": (one.structure, dose, ending)
            for one in figures
            if one.doses is not None
            for ending, dose in (("", one.doses.own), (_(", reference"), one.doses.reference))
            if dose is not None
        }
        is_new = not self.is_shown
        if is_new:
            self.remove()
            self.chart, self._table = _new_chart(), _new("vtkMRMLTableNode", _("Dose-volume table"))
        self._fill({name: dose for name, (_structure, dose, _ending) in curves.items()})
        for name in [name for name in self._series if name not in curves]:
            self.chart.RemovePlotSeriesNodeID(self._series[name].GetID())
            slicer.mrmlScene.RemoveNode(self._series.pop(name))
        for name, (structure, _dose, ending) in curves.items():
            if not is_in_scene(self._series.get(name)):
                self._series[name] = _new_series(self.chart, self._table, name, structure.colour, dashed=bool(ending))
        if is_new:
            self._turn_layout()

    def remove(self) -> None:
        """Take it out of the scene, and give the layout back if nobody has chosen another one since."""
        layout, before = _layout_node(), self._layout
        if layout is not None and before is not None and layout.GetViewArrangement() == before[1]:
            layout.SetViewArrangement(before[0])
        for node in (self.chart, *self._series.values(), self._table):
            if is_in_scene(node):
                slicer.mrmlScene.RemoveNode(node)
        self.chart = self._table = self._layout = None
        self._series = {}

    def _fill(self, doses: dict[str, GlandDose]) -> None:
        """A column for the dose, and one a curve: percent of the volume that gets at least as much."""
        most = max((dose.maximum for dose in doses.values()), default=0.0)
        steps = np.arange(0.0, most + 2 * STEP_GY, STEP_GY)
        columns = {_DOSE: steps}
        for name, dose in doses.items():
            volumes = dose.histogram.volumes_ml
            at = np.rint(steps / BIN_GY).astype(int)
            shares = np.where(at < len(volumes), volumes[np.minimum(at, len(volumes) - 1)], 0.0)
            columns[name] = 100.0 * shares / max(dose.volume_ml, 1e-9)
        was_modifying = self._table.StartModify()
        self._table.RemoveAllColumns()
        for name, values in columns.items():
            array = numpy_to_vtk(np.ascontiguousarray(values, np.float64), deep=True)
            array.SetName(name)
            self._table.AddColumn(array)
        self._table.EndModify(was_modifying)

    def _turn_layout(self) -> None:
        layout = _layout_node()
        if layout is None or slicer.app.layoutManager() is None:  # no window
            return
        before = layout.GetViewArrangement()
        slicer.modules.plots.logic().ShowChartInLayout(self.chart)
        self._layout = (before, layout.GetViewArrangement())


def _layout_node() -> Any:
    return slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLLayoutNode")


def _new(kind: str, name: str) -> Any:
    node = slicer.mrmlScene.AddNewNodeByClass(kind, slicer.mrmlScene.GenerateUniqueName(name))
    node.SetSaveWithScene(False)
    return node


def _new_chart() -> Any:
    chart = _new("vtkMRMLPlotChartNode", _("Dose-volume plot"))
    chart.SetTitle(_("Dose-volume histogram (dashed: reference)"))
    chart.SetXAxisTitle(_("Dose, Gy"))
    chart.SetYAxisTitle(_("Volume with at least this dose, %"))
    return chart


def _new_series(chart: Any, table: Any, name: str, colour: tuple[int, int, int], *, dashed: bool) -> Any:
    series = _new("vtkMRMLPlotSeriesNode", name)
    kinds = slicer.vtkMRMLPlotSeriesNode
    series.SetAndObserveTableNodeID(table.GetID())
    series.SetPlotType(kinds.PlotTypeScatter)
    series.SetXColumnName(_DOSE)
    series.SetYColumnName(name)
    series.SetMarkerStyle(kinds.MarkerStyleNone)
    series.SetLineStyle(kinds.LineStyleDash if dashed else kinds.LineStyleSolid)
    series.SetColor(*(channel / 255.0 for channel in colour))
    chart.AddAndObservePlotSeriesNodeID(series.GetID())
    return series
