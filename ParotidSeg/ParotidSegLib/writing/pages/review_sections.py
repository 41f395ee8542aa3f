"""Sections of the page of a review: what was found of the contours, and how A and B differ."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ...measuring.borders import DIRECTIONS, ENDS
from ...measuring.differing_slices import DifferingSlice
from ...measuring.metrics import NSD_TOLERANCES
from ...measuring.path_length import ADDED_PATH_TOLERANCE, AddedPath
from ...reviewing.review import Comparison, Review, Side
from ...structures import PAROTIDS, Structure
from ..drawing.views import signed as in_mm
from .html_page import (
    NOTHING,
    box,
    definitions,
    escaped,
    model_mark,
    paragraph,
    paragraph_of,
    picture,
    plain,
    section,
    table,
)
from .review_dose import mean_dose_lines

Section = tuple[str, str, str]
_SIDES = "Right and left are the patient's."


def short_section(review: Review) -> Section:
    """What A and B are, and the answer in a few sentences."""
    parts = [paragraph_of(f"{model_mark(side.letter)}: {escaped(_origin(side))}.") for side in review.sides]
    lines = [line for structure in PAROTIDS for line in _verdict(review, structure)]
    lines += mean_dose_lines(review)
    parts.append(box(paragraph(line) for line in lines))
    warnings = list(_warnings(review))
    if warnings:
        parts.append(box([paragraph(line) for line in warnings], is_warning=True))
    parts.append(
        paragraph(
            _SIDES,
            "Every difference on this page is A − B: above 0, A is larger or reaches farther."
            if _is_pair(review)
            else "",
            "For review by a clinician; not for use without one. Not a medical device.",
        )
    )
    return section("short", "In short", *parts)


def _is_pair(review: Review) -> bool:
    return len(review.sides) > 1


def _origin(side: Side) -> str:
    return f"{side.contours.name}{', not corrected by a person' if side.contours.is_automatic else ''}"


def _verdict(review: Review, structure: Structure) -> Iterator[str]:
    volumes = {side.letter: side.volumes_ml[structure.key] for side in review.sides}
    name = structure.name
    missing = [letter for letter, volume in volumes.items() if not volume]
    if not _is_pair(review) or missing:
        for letter, volume in volumes.items():
            yield f"{name}: {f'{volume:.1f} mL in {letter}' if volume else f'not drawn in {letter}'}."
        return
    comparison = review.comparisons[structure.key]
    a, b = volumes["A"], volumes["B"]
    size = "as large as B" if round(a, 1) == round(b, 1) else f"{abs(a - b):.1f} mL {'larger' if a > b else 'smaller'}"
    sizes = f"A is {size} ({a:.1f} and {b:.1f} mL)"
    yield f"{name}: Dice {comparison.scores.dice:.2f}; {sizes}; the surfaces lie {_apart(comparison)}."


def _apart(comparison: Comparison) -> str:
    text = f"{comparison.scores.msd:.1f} mm apart on average"
    known = {name: comparison.borders[name] for name in DIRECTIONS if math.isfinite(comparison.borders[name])}
    if not known:
        return text
    most = max(known, key=lambda name: abs(known[name]))
    if round(abs(known[most]), 1) == 0.0:
        return f"{text}, with no direction that stands out"
    how = "reaches beyond B" if known[most] > 0.0 else "falls short of B"
    return f"{text}; most, A {how} on the {most} side, by {abs(known[most]):.1f} mm"


def _warnings(review: Review) -> Iterator[str]:
    if review.are_swapped:
        yield "Right and left are exchanged between A and B: a gland of A covers the other gland of B."
    for side in review.sides:
        errors = [finding for finding in side.findings if finding.severity == "error"]
        yield from (f"{side.letter}: {finding.message}" for finding in errors)
    yield from review.dose_remarks


def findings_section(review: Review) -> Section:
    """What a reviewer should see of each of the contours, and what was lost as they were read."""
    parts = []
    for side in review.sides:
        caption = f"{side.letter}: {side.contours.name}"
        rows = [
            [finding.severity, _gland(finding.structure), finding.message, _place(finding.point)]
            for finding in side.findings
        ]
        if rows:
            header = ["", "Gland", "Remark", "Where (x, y, z in mm)"]
            parts.append(table(header, rows, caption=caption, is_text=True))
        else:
            parts.append(paragraph(f"{caption}: nothing unusual was found."))
        if side.contours.remarks:
            rows = [[str(number), remark] for number, remark in enumerate(side.contours.remarks, start=1)]
            parts.append(table(["", "As it was read"], rows, caption=f"{side.letter}, reading", is_text=True))
    parts.append(
        paragraph(
            "These remarks come from checks of the contours, whoever drew them. They do not look for disease, and a "
            "contour without a remark may be wrong. Places are DICOM patient coordinates (x to the patient's left, y "
            "to the back, z to the head).",
            kind="below",
        )
    )
    return section("remarks", "Remarks on the contours", *parts)


def _gland(key: str | None) -> str:
    return next((structure.name for structure in PAROTIDS if structure.key == key), "both")


def _place(point: Sequence[float] | None) -> str:
    return ", ".join(in_mm(value) for value in point) if point else NOTHING


def volumes_section(review: Review, preview: Path) -> Section:
    """Of contours that are alone: volumes and a picture."""
    (side,) = review.sides
    rows = [[structure.name, _volume(side.volumes_ml[structure.key])] for structure in PAROTIDS]
    shown = picture(
        preview,
        alt="Three axial CT slices and a coronal one with the contours of both parotid glands, the patient's right at "
        "the left.",
        caption="The contours A. Orange: right gland; blue: left gland, the patient's sides. The patient's right is at "
        "the left of each view.",
    )
    return section("volumes", "Volumes", table(["Gland", "Volume of A, mL"], rows, caption="Volumes"), shown)


def _volume(volume: float) -> str:
    return f"{volume:.1f}" if volume else "not drawn"


def agreement_section(review: Review) -> Section:
    """Volumes, overlap, distances and what has to be drawn anew."""
    a, b = review.sides
    volumes, overlaps, paths = [], [], []
    for structure in PAROTIDS:
        comparison, key = review.comparisons[structure.key], structure.key
        of_a, of_b = a.volumes_ml[key], b.volumes_ml[key]
        share = 100.0 * (of_a - of_b) / of_b if of_b else math.nan
        volumes.append([structure.name, _volume(of_a), _volume(of_b), plain(of_a - of_b, 1), plain(share, 0)])
        scores = comparison.scores
        nsd = [plain(scores.nsd[tolerance], 3) for tolerance in NSD_TOLERANCES]
        distances = [plain(scores.hd95, 1), plain(scores.msd, 2)]
        overlaps.append([structure.name, plain(scores.dice, 3), plain(scores.iou, 3), *distances, *nsd])
        paths.append([structure.name, *_path(comparison.path_to_a), *_path(comparison.path_to_b)])
    nsd_header = [f"NSD {tolerance:g} mm" for tolerance in NSD_TOLERANCES]
    return section(
        "agreement",
        "How A and B agree",
        table(["Gland", "A, mL", "B, mL", "A − B, mL", "A − B, % of B"], volumes, caption="Volumes"),
        table(
            ["Gland", "Dice", "IoU", "HD95, mm", "MSD, mm", *nsd_header],
            overlaps,
            caption="Overlap and distances of the surfaces",
        ),
        table(
            ["Gland", "mm", "% of A", "mm", "% of B"],
            paths,
            caption=f"Added path length, at a tolerance of {ADDED_PATH_TOLERANCE:g} mm",
            groups=[("", 1), ("To get A from B", 2), ("To get B from A", 2)],
        ),
        paragraph(
            "Overlap alone is a poor judge of what matters for a treatment; look at the places below.", kind="below"
        ),
    )


def _path(path: AddedPath) -> list[str]:
    share = 100.0 * path.added_mm / path.total_mm if path.total_mm else math.nan
    return [plain(path.added_mm, 0), plain(share, 0)]


def directions_section(review: Review) -> Section:
    """How far A reaches beyond B in each direction."""
    rows = []
    for structure in PAROTIDS:
        borders = review.comparisons[structure.key].borders
        rows.append([structure.name, *(_beyond(borders[name]) for name in (*DIRECTIONS, *ENDS))])
    header = ["Gland", *(name.capitalize() for name in (*DIRECTIONS, *ENDS))]
    groups = [("", 1), ("Of the surface that faces this way, on average", len(DIRECTIONS)), ("Outermost voxel", 2)]
    return section(
        "directions",
        "In which direction A reaches farther",
        table(header, rows, caption="A − B in mm: + A reaches beyond B, − A falls short of B", groups=groups),
        paragraph("Medial is towards the middle of the head, lateral towards the skin.", kind="below"),
    )


def _beyond(value: float) -> str:
    return f"+{plain(value, 1)}" if round(value, 1) > 0.0 else plain(value, 1)


def slices_section(shown: Mapping[str, tuple[Path, Sequence[DifferingSlice]]]) -> Section:
    """The pictures of `draw_slices`, by the key of the gland; no slices where A and B are the same."""
    parts = [
        paragraph(
            "Of each gland the axial slices in which A and B differ most, chosen apart from one another. Solid orange: "
            "A; dashed green: B. The patient's right (R) is at the left of each view, seen from the feet; A above the "
            "view is the front, P below it the back. Lines are smoothed between voxels."
        )
    ]
    for structure in PAROTIDS:
        path, slices = shown[structure.key]
        if not slices:
            parts.append(paragraph(f"{structure.name}: A and B are the same."))
            continue
        where = "; ".join(
            f"z = {in_mm(one.z)} mm, A alone {one.only_a_cm2:.1f} cm², B alone {one.only_b_cm2:.1f} cm²"
            for one in slices
        )
        name = structure.name.lower()
        alt = f"Axial CT slices with the boundaries of A and of B at the {name}: {where}."
        parts.append(picture(path, alt=alt, caption=f"{structure.name}. From left to right: from head to foot."))
    return section("slices", "Where A and B differ most", *parts)


def definitions_section(review: Review) -> Section:
    """What the figures mean."""
    pairs = [("Volume", "The sum of the CT's voxels within the contour.")]
    if _is_pair(review):
        pairs += [
            (
                "Dice, IoU",
                "Overlap on the CT's own voxels: twice the common volume over the sum of both volumes; the common "
                "volume over that of both together. 1 is the same contour, 0 is no overlap.",
            ),
            (
                "HD95, MSD",
                "Distances of the two surfaces in mm: the larger of the two directed 95th percentiles, and the mean of "
                "the two directed mean distances, weighed by area. ∞: one of both has not drawn the gland.",
            ),
            (
                "NSD",
                "Normalised surface Dice: the share of both surfaces that lies within the stated distance of the "
                "other. Tolerances below the size of a voxel say little.",
            ),
            (
                "Added path length",
                "The length of the outlines, slice by slice, that lies farther than the tolerance from the other "
                "contours: what has to be drawn anew (after Vaassen et al., Physics and Imaging in Radiation Oncology "
                "13, 2020, with lengths in place of counted pixels, and a tolerance). What only has to be deleted "
                "costs nothing.",
            ),
            (
                "Direction",
                "Of the part of a surface that faces this way the mean distance to the other surface; the mean of both "
                "surfaces is taken, so that exchanging A and B changes the sign and nothing else. Top and bottom: how "
                "much farther up, or down, the outermost voxel lies.",
            ),
        ]
    return section("definitions", "What the figures mean", definitions(pairs))


def provenance_section(review: Review, made: Mapping[str, object]) -> Section:
    """Models, versions and the date."""
    rows = [[side.letter, side.contours.name, *_model(side)] for side in review.sides]
    versions = made["software"]
    software = (
        ", ".join(f"{name} {version}" for name, version in versions.items()) if isinstance(versions, Mapping) else ""
    )
    return section(
        "provenance",
        "How this came about",
        table(["", "Contours", "Model", "SHA-256"], rows, caption="The contours", is_text=True),
        table(
            ["", "This page"], [["Date", str(made["date"])], ["Software", software]], caption="The page", is_text=True
        ),
        paragraph(
            "This page names neither the patient nor a file; note yourself whose contours these are.",
            kind="below",
        ),
    )


def _model(side: Side) -> list[str]:
    model = side.contours.model
    return [f"{model['name']} {model['version']}", model["sha256"]] if model else ["none: a file", NOTHING]
