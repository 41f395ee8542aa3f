"""Pictures of the patients in whom contours and reference agree least, with another reader for a measure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from ParotidSegLib.errors import DataError
from ParotidSegLib.images import read_image

from .overlays import draw_overlay
from .readers import Contours, Pair, image_of


def draw_lowest(
    pairs: Sequence[Pair],
    candidate: Contours,
    references: Sequence[Contours],
    images: Sequence[Path],
    output: Path,
    *,
    count: int,
    report: Callable[[str], None] = print,
) -> list[Path]:
    """Draw the patients with the lowest Dice of the candidate with the first reference, the lowest first.

    Yellow is the first reference, A the second one, B the candidate; of each gland the slice is shown in which A and B
    differ most.

    Args:
        pairs: of `compare_all`.
        candidate, references: whose contours are drawn; two references at least.
        images: folders of CTs.
        output: folder for the pictures, CASE.png.
        count: of patients.
        report: takes one line of text a picture.

    Raises:
        DataError: there is one reference only, or a CT is missing.
        ImageError, OutputError: a CT cannot be read, or a picture not be written.
    """
    if len(references) < 2:
        raise DataError("Pictures need two references: the second one shows how far readers differ.")
    first, second = references[:2]
    pair = next(p for p in pairs if (p.candidate, p.reference) == (candidate.name, first.name))
    scores = pair.by_patient("dice")
    both = [case for case in scores if case in second.folder.files]
    paths = []
    for case in sorted(both, key=lambda case: scores[case])[:count]:
        labels = {name: one.folder.read(case) for name, one in (("reference", first), ("a", second), ("b", candidate))}
        path = output / f"{case}.png"
        title = f"{case}   Dice of B with the {first.name} {scores[case]:.3f}"
        names = (second.name, candidate.name)
        draw_overlay(read_image(image_of(case, images)), labels, path, title=title, names=names)
        report(f"{path.name} drawn")
        paths.append(path)
    return paths
