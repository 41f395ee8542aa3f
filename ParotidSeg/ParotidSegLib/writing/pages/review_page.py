"""The page of a review: one self-contained HTML file, without script, that names neither patient nor file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import SimpleITK as sitk

from ...files.atomic import atomic_path
from ...files.debris import temporary_folder
from ...reviewing.review import Review
from ...structures import PAROTIDS
from ..preview import draw_preview
from .html_page import page
from .review_dose import dose_section
from .review_pictures import draw_histograms, draw_slices
from .review_sections import (
    Section,
    agreement_section,
    definitions_section,
    directions_section,
    findings_section,
    provenance_section,
    short_section,
    slices_section,
    volumes_section,
)


def write_review_page(image: sitk.Image, review: Review, path: Path, *, made: Mapping[str, object]) -> Path:
    """Write the page.

    Args:
        image: the CT in HU.
        review: of contours on its grid.
        path: the .html to write, in a folder that is there; pictures are drawn beside it, and taken away again.
        made: "software" (versions by name) and "date".

    Returns:
        The path.

    Raises:
        OutputError: the page cannot be written.
    """
    with temporary_folder(path.parent, ".parotidseg-") as drawn:
        sections = [short_section(review), findings_section(review), *_contours(image, review, drawn)]
        if review.has_dose:
            sections.append(dose_section(review, draw_histograms(review, drawn / "histograms.png")))
        sections += [definitions_section(review), provenance_section(review, made)]
    names = ", ".join(f"{side.contours.name} ({side.letter})" for side in review.sides)
    text = page(f"Parotid contours: {names}", _lead(review), sections)
    with atomic_path(path) as target:
        target.write_text(text, encoding="utf-8")
    return path


def _contours(image: sitk.Image, review: Review, folder: Path) -> list[Section]:
    if not review.comparisons:
        preview = draw_preview(image, review.sides[0].contours.labels, folder / "preview.png")
        return [volumes_section(review, preview)]
    shown = {}
    for structure in PAROTIDS:
        path = folder / f"{structure.key}.png"
        shown[structure.key] = path, draw_slices(image, review, structure, path)
    return [agreement_section(review), directions_section(review), slices_section(shown)]


def _lead(review: Review) -> str:
    what = (
        "Contours of the parotid glands in CT, A beside B" if review.comparisons else "Contours of the parotid glands"
    )
    return f"{what}. For research; not a medical device."
