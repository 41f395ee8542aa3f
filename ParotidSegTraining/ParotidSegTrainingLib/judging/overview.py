"""What is in a data set: cases, voxels, intensities and volumes of the structures, as figures and as a picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk

from ParotidSegLib.errors import DataError
from ParotidSegLib.measuring.metrics import Summary, summarise
from ParotidSegLib.structures import PAROTIDS, Structure
from ParotidSegLib.writing.drawing.views import rgb
from ParotidSegLib.writing.pages.plots import INK, QUIET, new_plot, save_plot, signed

from ..data.dataset import SPLITS, DatasetFolder

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Width and height of the picture in pixels.
SIZE = (1800, 1400)

#: Key of all tissue among the histograms.
TISSUE = "tissue"


@dataclass(frozen=True)
class Scale:
    """How intensities are counted.

    Attributes:
        unit: what they are in.
        edges: of the histogram; what lies beyond counts in the outermost bins.
        tissue_from: from here on a voxel counts as the patient's tissue.
        shown: the part of the histogram that is drawn.
    """

    unit: str
    edges: tuple[float, ...]
    tissue_from: float
    shown: tuple[float, float]

    def values(self, image: sitk.Image) -> np.ndarray:
        """The intensities of an image, (z, y, x), in this unit."""
        array = sitk.GetArrayViewFromImage(image)
        if self is HOUNSFIELD:
            return array
        return array / (float(np.percentile(array, 99)) or 1.0)


HOUNSFIELD = Scale("HU", tuple(float(edge) for edge in range(-1050, 1510, 10)), -300.0, (-300.0, 400.0))
#: For images without a scale of their own, such as MR.
RELATIVE = Scale("share of the image's 99th percentile", tuple(i / 50 for i in range(101)), 0.1, (0.0, 1.6))


@dataclass(frozen=True)
class Overview:
    """The figures of a data set.

    Attributes:
        scale: of the intensities.
        cases: number of cases by split.
        excluded: cases left out.
        spacing_mm, size: of the voxels, and their number: summaries along the image axes i, j and k.
        intensities: counts of voxels by structure key, and of all tissue, in the bins of the scale.
        percentiles: 1st, 50th and 99th percentile of the intensities by the same keys (to the width of a bin).
        volumes_ml: by structure key and split; a structure that a case lacks is left out.
        absent: cases without the structure, by its key.
    """

    scale: Scale
    cases: Mapping[str, int]
    excluded: tuple[str, ...]
    spacing_mm: tuple[Summary, Summary, Summary]
    size: tuple[Summary, Summary, Summary]
    intensities: Mapping[str, Sequence[int]]
    percentiles: Mapping[str, tuple[float, float, float]]
    volumes_ml: Mapping[str, Mapping[str, Sequence[float]]]
    absent: Mapping[str, int]

    def figures(self) -> dict[str, Any]:
        """Everything as data, ready for JSON."""
        return asdict(self)


def survey(
    folder: DatasetFolder,
    *,
    exclude: Sequence[str] = (),
    structures: Sequence[Structure] = PAROTIDS,
    report: Callable[[str], None] = lambda line: None,
) -> Overview:
    """Read every case of a data set once; of a case with several images the first one.

    Args:
        folder, exclude: the cases.
        structures: what is measured.
        report: takes one line of text now and then.

    Raises:
        DataError: there is no case, or none of a name to be left out, a mask is damaged, lies on another grid or has
            labels of no structure.
        ImageError: an image cannot be read or is not what its input takes.
    """
    scale = HOUNSFIELD if folder.inputs[0].modality == "CT" else RELATIVE
    folder.require_cases(exclude)
    names = {split: [case for case in folder.splits[split] if case not in exclude] for split in SPLITS}
    count = sum(map(len, names.values()))
    if not count:
        raise DataError("Every case of the data set is excluded: leave one to look at.")
    report(f"Reading the {count} cases of the data set")
    grids = []
    histograms = {key: np.zeros(len(scale.edges) - 1, np.int64) for key in (TISSUE, *(s.key for s in structures))}
    volumes: dict[str, dict[str, list[float]]] = {s.key: {split: [] for split in SPLITS} for s in structures}
    for split, cases in names.items():
        for case in cases:
            image, labels = folder.read_images(case)[0], folder.read_mask(case)
            if image.GetSize() != labels.GetSize():
                raise DataError(f"Image and mask of the case {case} lie on different grids.")
            grids.append((image.GetSpacing(), image.GetSize()))
            for key, measured in _measure(image, labels, structures, histograms, scale=scale).items():
                volumes[key][split].append(measured)
    spacing, size = np.array(grids).transpose(1, 2, 0)
    kept = {key: {split: [v for v in of if v > 0.0] for split, of in by.items()} for key, by in volumes.items()}
    return Overview(
        scale=scale,
        cases={split: len(cases) for split, cases in names.items()},
        excluded=tuple(exclude),
        spacing_mm=(summarise(spacing[0]), summarise(spacing[1]), summarise(spacing[2])),
        size=(summarise(size[0]), summarise(size[1]), summarise(size[2])),
        intensities={key: counts.tolist() for key, counts in histograms.items()},
        percentiles={key: _percentiles(counts, scale) for key, counts in histograms.items()},
        volumes_ml=kept,
        absent={key: count - sum(len(of) for of in by.values()) for key, by in kept.items()},
    )


def _measure(
    image: sitk.Image,
    labels: sitk.Image,
    structures: Sequence[Structure],
    histograms: Mapping[str, np.ndarray],
    *,
    scale: Scale,
) -> dict[str, float]:
    """Add a case to the histograms; its volumes in mL by structure key."""
    values, labelled = scale.values(image), sitk.GetArrayViewFromImage(labels)
    voxel_ml = float(np.prod(image.GetSpacing())) / 1000.0
    _count(values[values >= scale.tissue_from], histograms[TISSUE], scale)
    measured = {}
    for structure in structures:
        inside = values[labelled == structure.label]
        _count(inside, histograms[structure.key], scale)
        measured[structure.key] = inside.size * voxel_ml
    return measured


def _count(values: np.ndarray, counts: np.ndarray, scale: Scale) -> None:
    counts += np.histogram(np.clip(values, scale.edges[0], scale.edges[-1]), scale.edges)[0]


def _percentiles(counts: np.ndarray, scale: Scale) -> tuple[float, float, float]:
    """1st, 50th and 99th percentile of binned values: the middle of the bin in which each falls; NaN without values."""
    if not counts.sum():
        return (float("nan"),) * 3
    shares = np.cumsum(counts) / counts.sum()
    middles = (np.array(scale.edges[:-1]) + np.array(scale.edges[1:])) / 2.0
    low, middle, high = (float(middles[int(np.searchsorted(shares, share))]) for share in (0.01, 0.5, 0.99))
    return low, middle, high


def draw_overview(overview: Overview, path: str | Path, *, structures: Sequence[Structure] = PAROTIDS) -> Path:
    """Draw a PNG of 1800 x 1400 pixels: intensities of tissue and structures above, volumes of the structures below.

    Raises:
        OutputError: the path does not end with .png, or the file cannot be written.
    """
    figure = new_plot(*SIZE)
    above, below = figure.subplots(2, 1)
    _draw_intensities(above, overview, structures)
    _draw_volumes(below, overview, structures)
    for axes in (above, below):
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=10)
    figure.tight_layout(pad=2.0, h_pad=3.0)
    return save_plot(figure, path)


def _draw_intensities(axes: Axes, overview: Overview, structures: Sequence[Structure]) -> None:
    scale = overview.scale
    tissue = f"all tissue ({signed(scale.tissue_from, 1).removesuffix('.0')} and more)"
    drawn: list[tuple[str, str, Any, Any]] = [(TISSUE, tissue, QUIET, "dashed")]
    drawn += [(s.key, s.name, rgb(s.colour), "solid") for s in structures]
    for key, label, colour, style in drawn:
        counts = np.array(overview.intensities[key], dtype=float)
        if counts.sum():
            shares = 100.0 * counts / counts.sum()
            axes.stairs(shares, scale.edges, color=colour, linewidth=2.0, linestyle=style, label=label)
    axes.set_xlim(*scale.shown)
    axes.set_title("Intensities", color=INK, size=12, weight="bold", loc="left")
    axes.set_xlabel(f"{scale.unit}, bins of {scale.edges[1] - scale.edges[0]:g}", color=INK)
    axes.set_ylabel("% of the voxels", color=INK)


def _draw_volumes(axes: Axes, overview: Overview, structures: Sequence[Structure]) -> None:
    by_key = {s.key: [v for of in overview.volumes_ml[s.key].values() for v in of] for s in structures}
    largest = max((v for values in by_key.values() for v in values), default=1.0)
    edges = np.linspace(0.0, largest * 1.001, 31)
    for structure in structures:
        values = by_key[structure.key]
        counts = np.histogram(values, edges)[0]
        colour = rgb(structure.colour)
        axes.stairs(counts, edges, color=colour, fill=True, alpha=0.25)
        axes.stairs(counts, edges, color=colour, linewidth=2.0, label=f"{structure.name} (n = {len(values)})")
    axes.set_title("Volumes of the reference contours", color=INK, size=12, weight="bold", loc="left")
    axes.set_xlabel("mL", color=INK)
    axes.set_ylabel("cases", color=INK)
