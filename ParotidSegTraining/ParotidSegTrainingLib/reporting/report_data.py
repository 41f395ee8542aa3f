"""The section of a page that shows what a data set holds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ParotidSegLib.measuring.metrics import summarise
from ParotidSegLib.structures import Structure
from ParotidSegLib.writing.pages.html_page import paragraph, picture, plain, section, table

from ..judging.overview import HOUNSFIELD, TISSUE, Overview
from .report_sections import Section, titled


def overview_section(overview: Overview, plot: Path, structures: Sequence[Structure]) -> Section:
    """Cases, voxels, intensities and volumes; `plot` is the picture of `draw_overview`."""
    scale = overview.scale
    tissue = f"{plain(scale.tissue_from, 1).removesuffix('.0')} and more"
    return section(
        "data",
        "The data set",
        _cases(overview, structures),
        _grid_table(overview),
        _intensity_table(overview, structures),
        _volume_table(overview, structures),
        picture(
            plot,
            alt=f"Two histograms of the data set: intensities ({scale.unit}) inside each structure and in all tissue, "
            "and volumes of the reference contours in mL.",
            caption=f"Above: the share of voxels at each intensity ({scale.unit}; all tissue: {tissue}). The picture "
            "shows the part in which the structures lie. Large scans and large structures count more, for every voxel "
            "counts once. Below: volumes as they were drawn; whether they were drawn well, no histogram can show.",
        ),
    )


def _cases(overview: Overview, structures: Sequence[Structure]) -> str:
    said = [f"Cases: {'; '.join(f'{count} {split}' for split, count in overview.cases.items() if count)}."]
    said.append(f"Left out: {', '.join(overview.excluded)}." if overview.excluded else "No case is left out.")
    lacking = [f"{titled(s)}: {overview.absent[s.key]}" for s in structures if overview.absent[s.key]]
    return paragraph(*said, *([f"Cases without a structure: {', '.join(lacking)}."] if lacking else []))


def _grid_table(overview: Overview) -> str:
    rows = [
        [
            axis,
            f"{mm.median:.2f}",
            f"{mm.minimum:.2f} to {mm.maximum:.2f}",
            f"{count.median:.0f}",
            f"{count.minimum:.0f} to {count.maximum:.0f}",
        ]
        for axis, mm, count in zip("ijk", overview.spacing_mm, overview.size, strict=True)
    ]
    header = ["Axis", "Spacing mm, median", "range", "Voxels, median", "range"]
    return table(header, rows, caption="Voxels along the image axes")


def _intensity_table(overview: Overview, structures: Sequence[Structure]) -> str:
    digits = 0 if overview.scale == HOUNSFIELD else 2
    shown: list[tuple[str, str]] = [("All tissue", TISSUE), *((titled(s), s.key) for s in structures)]
    rows = [[name, *(plain(value, digits) for value in overview.percentiles[key])] for name, key in shown]
    caption = f"Percentiles of the intensities ({overview.scale.unit}), all voxels of all cases together"
    return table(["Inside", "1st", "Median", "99th"], rows, caption=caption)


def _volume_table(overview: Overview, structures: Sequence[Structure]) -> str:
    rows = []
    for structure in structures:
        for split, values in overview.volumes_ml[structure.key].items():
            if values:
                s = summarise(values)
                spread = [f"{plain(s.mean, 1)} ± {plain(s.sd, 1)}", f"{s.median:.1f}"]
                rows.append([titled(structure), split, str(s.n), *spread, f"{s.minimum:.1f} to {s.maximum:.1f}"])
    header = ["Structure", "Split", "n", "mL, mean ± SD", "Median", "Range"]
    return table(header, rows, caption="Volumes of the reference contours", headings=2)
