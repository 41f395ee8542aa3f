"""What every page must keep: well-formed, self-contained, without script, with words for every picture."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser

#: Elements that have no end tag.
VOID = {"meta", "img", "br", "hr", "link", "input"}
#: What would make a browser ask somebody for something, or run something.
LOADING = {"script", "link", "iframe", "object", "embed", "video", "audio", "source", "base", "form", "svg"}


class CheckedPage(HTMLParser):
    """Reads a page strictly.

    Attributes:
        text: everything that a person reads, in order.
        headings: texts of h1 and h2.
        pictures: attributes of each img.
        ids, ways: anchors, and links to them.
        tables: rows of cells of each table.
    """

    def __init__(self, markup: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open_tags: list[str] = []
        self.text: list[str] = []
        self.headings: list[str] = []
        self.pictures: list[dict[str, str]] = []
        self.ids: list[str] = []
        self.ways: list[str] = []
        self.tables: list[list[list[str]]] = []
        self.spans: list[list[int]] = []
        assert markup.startswith("<!DOCTYPE html>")
        self.feed(markup)
        self.close()
        assert self.open_tags == [], f"never closed: {self.open_tags}"

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        assert tag not in LOADING, tag
        assert len(given) == len(attributes), f"an attribute twice in {tag}"
        assert not any(name.startswith("on") for name in given), f"a script in {tag}"
        for name in ("src", "srcset", "href", "action", "background", "poster"):
            assert given.get(name, "#").startswith(("data:image/png;base64,", "#")), f"{tag} loads {given[name][:80]}"
        if "id" in given:
            self.ids.append(given["id"])
        if tag == "a":
            self.ways.append(given["href"])
        if tag == "img":
            self.pictures.append(given)
        if tag == "table":
            self.tables.append([])
            self.spans.append([])
        if tag == "tr":
            self.tables[-1].append([])
            self.spans[-1].append(0)
        if tag in ("td", "th"):
            self.tables[-1][-1].append("")
            self.spans[-1][-1] += int(given.get("colspan", 1))
        if tag not in VOID:
            self.open_tags.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        raise AssertionError(f"<{tag}/> is no HTML")

    def handle_endtag(self, tag: str) -> None:
        assert self.open_tags and self.open_tags.pop() == tag, f"</{tag}> closes what is not open"

    def handle_data(self, data: str) -> None:
        if self.open_tags and self.open_tags[-1] == "style":
            assert "@import" not in data and "url(" not in data, "the style loads something"
            return
        self.text.append(data)
        if self.open_tags and self.open_tags[-1] in ("h1", "h2"):
            self.headings.append(data)
        if self.open_tags and self.open_tags[-1] in ("td", "th"):
            self.tables[-1][-1][-1] += data

    @property
    def words(self) -> str:
        """The text in one piece."""
        return " ".join(self.text)


def checked(markup: str) -> CheckedPage:
    """The page, after a check of what holds for all pages."""
    page = CheckedPage(markup)
    assert len(page.ids) == len(set(page.ids))
    assert {way.removeprefix("#") for way in page.ways} <= set(page.ids)
    for picture in page.pictures:
        assert len(picture["alt"]) > 20
        assert int(picture["width"]) > 0 and int(picture["height"]) > 0
        content = base64.b64decode(picture["src"].removeprefix("data:image/png;base64,"), validate=True)
        assert content.startswith(b"\x89PNG")
    for widths in page.spans:
        assert len(set(widths)) == 1, f"rows of different widths: {widths}"
    assert not re.search(r"\bnan\b|\binf\b|\bNone\b(?! of)|\{|\}", page.words), "a value that no person can read"
    assert not re.search(r"https?:|file:", markup.split("</style>")[1].replace("data:image", ""))
    return page
