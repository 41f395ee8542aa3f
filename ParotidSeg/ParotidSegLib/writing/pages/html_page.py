"""Parts of a self-contained HTML page: everything inline, no script, no request; read on a phone, and printed.

Every text goes through `escaped`; what is named "markup" is HTML already.
"""

from __future__ import annotations

import base64
import html
import math
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path

from ...errors import DataError
from .plots import COLOUR_A, COLOUR_B, signed

#: Where there is nothing to say.
NOTHING = "–"

_STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 70rem; padding: 1rem 1.25rem 4rem; background: #fff; color: #1c2329;
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
h1 { font-size: 1.75rem; line-height: 1.25; margin: 1rem 0 0.25rem; }
h2 { font-size: 1.3rem; margin: 2.5rem 0 0.5rem; padding-top: 0.75rem; border-top: 1px solid #d5dbe0; }
h3 { font-size: 1.05rem; margin: 1.5rem 0 0.5rem; }
p, dd { max-width: 48rem; }
.lead { color: #46515b; margin-top: 0; }
nav { margin: 1rem 0; font-size: 0.95rem; }
nav a { display: inline-block; margin: 0 0.9rem 0.3rem 0; color: #0b5a94; }
.short { background: #f3f6f8; border-left: 4px solid #46515b; padding: 0.5rem 1rem; margin: 1rem 0; }
.short p { margin: 0.5rem 0; }
.warning { background: #fdf1e7; border-left-color: #b45309; }
.scroll { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; font-size: 0.9rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding: 0 0 0.4rem; }
th, td { padding: 0.3rem 0.55rem; border-bottom: 1px solid #e1e6ea; text-align: right; white-space: nowrap; }
th { font-weight: 600; }
thead th { border-bottom: 2px solid #98a3ad; vertical-align: bottom; }
thead th.group { border-bottom: 1px solid #98a3ad; text-align: center; }
tbody th, thead th.name, .text td, .text th { text-align: left; }
.text td { white-space: normal; min-width: 9rem; max-width: 32rem; overflow-wrap: anywhere; }
tbody tr.first th, tbody tr.first td { border-top: 2px solid #b4bdc5; }
.a, .b { font-weight: 700; padding: 0 0.2rem; border-bottom: 3px solid; }
figure { margin: 1.25rem 0 1.75rem; }
img { display: block; max-width: 100%; height: auto; border: 1px solid #e1e6ea; }
figcaption { font-size: 0.92rem; color: #333d46; max-width: 48rem; padding-top: 0.5rem; }
.below { font-size: 0.92rem; color: #333d46; margin-top: 0.25rem; }
dt { font-weight: 600; margin-top: 0.6rem; }
dd { margin: 0.1rem 0 0; }
code { font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; font-size: 0.88em;
  overflow-wrap: anywhere; }
@media (max-width: 40rem) { body { padding: 0.5rem 0.8rem 3rem; } h1 { font-size: 1.4rem; }
  tbody th:first-child { position: sticky; left: 0; background: #fff; } }
@media print { html { font-size: 10pt; } body { max-width: none; padding: 0; } nav { display: none; }
  h2, h3, dt, caption { break-after: avoid; } figure, tr, .short { break-inside: avoid; }
  img { max-height: 11cm; width: auto; }
  .scroll { overflow: visible; } table { font-size: 7.5pt; } th, td { padding: 0.15rem 0.3rem; } }
"""


def escaped(text: object) -> str:
    """A text as markup."""
    return html.escape(str(text), quote=True)


def plain(value: float, digits: int = 2) -> str:
    """A number with a true minus sign; a dash for what could not be computed, ∞ for what is missed altogether."""
    if math.isnan(value):
        return NOTHING
    return "∞" if math.isinf(value) else signed(value, digits)


def paragraph(*sentences: str, kind: str = "") -> str:
    """A paragraph of plain sentences; empty ones are left out."""
    return paragraph_of(escaped(" ".join(filter(None, sentences))), kind=kind)


def paragraph_of(markup: str, *, kind: str = "") -> str:
    """A paragraph of markup; `kind` is its class."""
    return f"<p{_class(kind)}>{markup}</p>"


def model_mark(letter: str) -> str:
    """The letter of a model, "A" or "B", underlined in its colour; the letter alone says it too."""
    return f'<span class="{letter.lower()}">{letter}</span>'


def box(parts: Iterable[str], *, is_warning: bool = False) -> str:
    """Paragraphs that stand out."""
    return f'<div class="short{" warning" if is_warning else ""}">{"".join(parts)}</div>'


def table(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    caption: str,
    groups: Sequence[tuple[str, int]] = (),
    headings: int = 1,
    is_text: bool = False,
) -> str:
    """A table of plain texts, in a box that scrolls sideways where a screen is narrow.

    Args:
        header: a text a column.
        rows: as many texts each.
        caption: what the table shows.
        groups: (text, number of columns) above the header; an empty text for columns without a group.
        headings: how many first columns name the row. Where the first one differs from the row above, a line parts
            them.
        is_text: cells hold sentences rather than numbers.
    """
    above = ""
    if groups:
        above = f"<tr>{''.join(_group(text, span) for text, span in groups)}</tr>"
    head = "".join(
        f'<th{_class("name" if place < headings else "")} scope="col">{escaped(text)}</th>'
        for place, text in enumerate(header)
    )
    body, previous = [], None
    for row in rows:
        begins = headings > 1 and previous is not None and row[0] != previous
        previous = row[0]
        names = "".join(f'<th scope="row">{escaped(text)}</th>' for text in row[:headings])
        values = "".join(f"<td>{escaped(text)}</td>" for text in row[headings:])
        body.append(f"<tr{_class('first' if begins else '')}>{names}{values}</tr>")
    inner = f"<caption>{escaped(caption)}</caption><thead>{above}<tr>{head}</tr></thead><tbody>{''.join(body)}</tbody>"
    kind = _class("text" if is_text else "")
    opening = f'<div class="scroll" tabindex="0" role="region" aria-label="{escaped(caption)}">'
    return f"{opening}<table{kind}>{inner}</table></div>"


def _group(text: str, span: int) -> str:
    if not text:
        return f'<td colspan="{span}"></td>'
    return f'<th class="group" colspan="{span}" scope="colgroup">{escaped(text)}</th>'


def picture(path: Path, *, alt: str, caption: str) -> str:
    """A PNG inside the page, with what it shows in words (`alt`) and how to read it (`caption`).

    Raises:
        DataError: the file is missing or no PNG.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"The picture {path} is missing: run the command that made it again.") from error
    if content[:8] != b"\x89PNG\r\n\x1a\n" or len(content) < 24:
        raise DataError(f"The picture {path} is damaged: run the command that made it again.")
    width, height = struct.unpack(">II", content[16:24])
    data = base64.b64encode(content).decode("ascii")
    return (
        f'<figure><img src="data:image/png;base64,{data}" width="{width}" height="{height}" alt="{escaped(alt)}">'
        f"<figcaption>{escaped(caption)}</figcaption></figure>"
    )


def definitions(pairs: Iterable[tuple[str, str]]) -> str:
    """Terms with what they mean."""
    return f"<dl>{''.join(f'<dt>{escaped(term)}</dt><dd>{escaped(meaning)}</dd>' for term, meaning in pairs)}</dl>"


def section(anchor: str, title: str, *parts: str) -> tuple[str, str, str]:
    """A section of a page: its anchor, its title and its markup."""
    return anchor, title, f'<section id="{anchor}"><h2>{escaped(title)}</h2>{"".join(parts)}</section>'


def page(title: str, lead: str, sections: Sequence[tuple[str, str, str]]) -> str:
    """The whole page.

    Args:
        title: of the page.
        lead: what stands below it, plain.
        sections: of `section`, in order; the ways to them stand above.
    """
    ways = "".join(f'<a href="#{anchor}">{escaped(name)}</a>' for anchor, name, _ in sections)
    colours = "".join(
        f".{letter} {{ border-color: rgb({red}, {green}, {blue}); }}\n"
        for letter, (red, green, blue) in (("a", COLOUR_A), ("b", COLOUR_B))
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escaped(title)}</title><style>{_STYLE}{colours}</style></head><body><main>\n"
        f'<h1>{escaped(title)}</h1><p class="lead">{escaped(lead)}</p><nav aria-label="Sections">{ways}</nav>\n'
        + "\n".join(markup for _, _, markup in sections)
        + "\n</main></body></html>\n"
    )


def _class(name: str) -> str:
    return f' class="{name}"' if name else ""
