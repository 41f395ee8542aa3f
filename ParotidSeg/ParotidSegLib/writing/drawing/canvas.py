"""A picture in memory: grey values, smooth lines and text, in pixels from the upper left corner; written as PNG.

Pillow draws, with the font that lies in matplotlib's package: to load matplotlib takes longer than to draw a picture.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import OutputError
from ...files.atomic import atomic_path

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont, ImageFont

#: Ink on the dark ground of a picture, and that ground.
INK, BACKGROUND = "#eef2f5", "#101418"

#: A colour: "#rrggbb", or red, green and blue, 0..255.
Colour = str | tuple[int, int, int]

#: Lines are drawn on so many times finer pixels.
_FINER = 4
#: Width of the dark outline of a text, in pixels.
_OUTLINE = 2
#: Of PNG, 0 to 9: the usual 6 takes four times as long as 1.
_COMPRESSION = 1


class Canvas:
    """A picture that is being drawn.

    Attributes:
        texts: what was written so far, with its place (text, x, y).
    """

    def __init__(self, width: int, height: int) -> None:
        """An empty picture.

        Raises:
            ModuleNotFoundError: Pillow or matplotlib is not installed.
        """
        from PIL import Image

        self._fonts = _folder_of_fonts()
        self.texts: list[tuple[str, float, float]] = []
        self._image = Image.new("RGB", (width, height), BACKGROUND)

    def paste(self, grey: np.ndarray, left: int, top: int) -> None:
        """Put grey values in, uint8 (rows, columns), the top row first."""
        from PIL import Image

        self._image.paste(Image.fromarray(grey), (left, top))

    def frame(self, left: int, top: int, width: int, height: int, colour: Colour) -> None:
        """A line of one pixel within the edges of a part."""
        from PIL import ImageDraw

        ImageDraw.Draw(self._image).rectangle((left, top, left + width - 1, top + height - 1), outline=colour)

    def line(
        self,
        points: np.ndarray | Sequence[tuple[float, float]],
        colour: Colour,
        width: float,
        *,
        opacity: float = 1.0,
        dashes: tuple[float, float] | None = None,
    ) -> None:
        """A line through points (x, y); the middle of the first pixel is at (0.5, 0.5).

        Args:
            points: at least two.
            colour, width, opacity: of the line; opacity from 0 to 1.
            dashes: length of a dash and of the gap after it; None for an unbroken line.
        """
        from PIL import Image, ImageDraw

        places = np.asarray(points, np.float64)
        size = np.array(self._image.size)
        first = np.clip(np.floor(places.min(axis=0) - width), 0, size).astype(int)
        last = np.clip(np.ceil(places.max(axis=0) + width), 0, size).astype(int)
        if (last <= first).any():
            return
        mask = Image.new("L", tuple(((last - first) * _FINER).tolist()))
        pen = ImageDraw.Draw(mask)
        for part in _dashed(places, *dashes) if dashes else [places]:
            finer = (part - first) * _FINER - 0.5
            pen.line(finer.ravel().tolist(), fill=255, width=round(width * _FINER))
        mask = mask.reduce(_FINER)
        if opacity < 1.0:
            mask = mask.point(lambda value: round(value * opacity))
        self._image.paste(colour, tuple(first.tolist()), mask)

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float,
        colour: Colour = INK,
        bold: bool = False,
        anchor: str = "lm",
        outlined: bool = False,
    ) -> None:
        """A line of text.

        Args:
            x, y: where it stands.
            text: taken literally.
            size: of the font, in pixels.
            colour: of the text.
            bold: whether it is.
            anchor: which part of it stands there, as Pillow names it: l, m or r (left, middle, right) and m or s
                (middle height, baseline).
            outlined: with a dark outline, so that it is read on any tissue.
        """
        from PIL import ImageDraw

        self.texts.append((text, x, y))
        style: dict[str, Any] = {"stroke_width": _OUTLINE, "stroke_fill": "black"} if outlined else {}
        pen = ImageDraw.Draw(self._image)
        pen.text((x, y), text, fill=colour, font=_font(self._fonts, size, bold), anchor=anchor, **style)

    def save(self, path: Path) -> None:
        """Write the PNG."""
        from PIL.PngImagePlugin import PngInfo

        told = PngInfo()
        told.add_text("Software", "ParotidSeg")
        self._image.save(path, format="PNG", compress_level=_COMPRESSION, pnginfo=told)

    def write(self, path: str | Path) -> Path:
        """Write the PNG, whole or not at all.

        Raises:
            OutputError: the path does not end with .png, or the file cannot be written.
        """
        target = Path(path)
        if target.suffix.lower() != ".png":
            raise OutputError(f"A picture cannot be written as '{target.name}': let the name end with .png.")
        with atomic_path(target) as temporary:
            self.save(temporary)
        return target


def _folder_of_fonts() -> Path:
    """Where matplotlib's package has its fonts."""
    found = find_spec("matplotlib")
    if found is None or found.origin is None:
        raise ModuleNotFoundError("No module named 'matplotlib'", name="matplotlib")
    return Path(found.origin).parent / "mpl-data" / "fonts" / "ttf"


@lru_cache(maxsize=32)
def _font(folder: Path, size: float, bold: bool) -> FreeTypeFont | ImageFont:
    """DejaVu Sans, which matplotlib brings; Pillow's own font where a distribution has moved it."""
    from PIL import ImageFont

    path = folder / ("DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf")
    return ImageFont.truetype(str(path), size) if path.is_file() else ImageFont.load_default(size)


def _dashed(points: np.ndarray, dash: float, gap: float) -> Iterator[np.ndarray]:
    """The parts of a line (n, 2) that dashes leave."""
    along = np.concatenate([[0.0], np.hypot(*np.diff(points, axis=0).T).cumsum()])
    for number in range(math.ceil(along[-1] / (dash + gap))):
        start = number * (dash + gap)
        stop = min(start + dash, along[-1])
        inner = points[(along > start) & (along < stop)]
        ends = np.stack([np.interp([start, stop], along, column) for column in points.T], axis=1)
        yield np.concatenate([ends[:1], inner, ends[1:]])
