"""The structure of a DICOM file, walked in Python before any other library sees it.

Libraries in C that read DICOM recurse into sequences and believe lengths. A file of half a megabyte whose sequences are
nested 12,000 deep ends the process, without an error that anyone could catch. So depth, lengths and counts are bounded
here, and what the file says of itself is picked up on the way: no other pass over the headers is needed.

After PS3.5 of the standard: section 7 (elements, sequences), annex A (transfer syntaxes).
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field
from pathlib import Path

#: Sequences within sequences; real files stay below 10.
MOST_DEPTH = 32
#: Elements in one file: an enhanced CT of 10,000 frames has half a million.
MOST_ELEMENTS = 4_000_000
#: Bytes of a file, and those that a deflated one may become.
MOST_BYTES, MOST_INFLATED = 2**32, 2**30
_START = 132
#: A value of a header that is used here is short; a longer one is none of them.
LONGEST_VALUE = 2**16

IMPLICIT, DEFLATED, BIG_ENDIAN = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2"
NATIVE = (IMPLICIT, "1.2.840.10008.1.2.1", DEFLATED, BIG_ENDIAN)
SYNTAX, PIXELS = 0x00020010, 0x7FE00010
SHARED_GROUPS, FRAME_GROUPS = 0x52009229, 0x52009230
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_UNDEFINED = 0xFFFFFFFF
#: Value representations with a length of four bytes after two reserved ones.
_LONG = frozenset((b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"))


class NotDicomError(Exception):
    """The bytes are no DICOM file."""


class DamagedDicomError(Exception):
    """The structure of the file breaks off or is none; `walk` is what was read until then."""

    def __init__(self, walk: DicomWalk) -> None:
        super().__init__("damaged")
        self.walk = walk


@dataclass
class DicomWalk:
    """What the walk over a file found.

    Attributes:
        values: raw values of the short elements of the data set and the file meta information, by tag.
        shared, by_frame: of the functional groups of a multi-frame file: values by tag, for all frames and each.
        syntax: UID of the transfer syntax.
        is_big_endian: byte order of values.
        is_sound: every element was followed to the end of the file, and none needs more than the plainest reader.
        pixels: where the native pixels lie in `content`: first byte and length; None if encapsulated or absent.
        has_pixels: whether there are any.
        content: the bytes of the data set, inflated if they were deflated.
        places: where in the file values of the rescale lie: first byte and length.
    """

    syntax: str = ""
    is_big_endian: bool = False
    is_sound: bool = True
    has_pixels: bool = False
    pixels: tuple[int, int] | None = None
    content: bytes = b""
    values: dict[int, bytes] = field(default_factory=dict)
    shared: dict[int, bytes] = field(default_factory=dict)
    by_frame: list[dict[int, bytes]] = field(default_factory=list)
    places: list[tuple[int, int, int]] = field(default_factory=list)


#: Which element of which functional group is picked up: where a frame lies, its steps, its rescale, its phase.
_GROUPS = {
    (0x00209113, 0x00200032),
    (0x00209116, 0x00200037),
    (0x00289110, 0x00280030),
    (0x00289145, 0x00281052),
    (0x00289145, 0x00281053),
    (0x00209111, 0x00209128),
}
_RESCALE = (0x00281052, 0x00281053)
#: Objects without pixels, of which nothing more is wanted than what they are; some have a million elements.
_NO_IMAGES = (b"RTSTRUCT", b"RTPLAN", b"RTRECORD", b"SR", b"REG", b"PR", b"KO", b"AU", b"DOC", b"SEG")
_MODALITY = 0x00080060
#: Parts of a file that only a library in C decodes: icons, tables of values and colours, overlays, curves.
_INTRICATE = (0x00880200, 0x00283000, 0x00281101, 0x00281201, 0x00281221)


def walk(path: Path) -> DicomWalk:
    """Follow the elements of a file to its end.

    Raises:
        NotDicomError: it is something else.
        DamagedDicomError: it breaks off, or its depth, lengths or counts are beyond all bounds.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        start = file.read(_START)
        if not may_be_dicom(start):  # whatever else lies in the folder, of any size
            raise NotDicomError
        raw = start + file.read(MOST_BYTES)
    return _Walker(raw).run()


def may_be_dicom(start: bytes) -> bool:
    """Whether a file that starts so has the preamble of DICOM, or its first group without one, as of old."""
    return start[128:132] == b"DICM" or (len(start) == _START and start[:2] in (b"\x02\x00", b"\x08\x00"))


@dataclass(frozen=True)
class _Element:
    """Tag, value representation (empty if there is none) and length of an element, and where its value begins."""

    tag: int
    kind: bytes
    length: int
    value: int


@dataclass(frozen=True)
class _Container:
    """A sequence or an item that is open: its tag (an item has that of its sequence), its end, and how it is written.

    Attributes:
        end: first byte after it; None if a delimiter ends it.
        is_item: or a sequence.
        is_implicit: whether its elements lack a value representation.
        is_guess: bytes that may be a sequence, of unknown representation: no fault if they are none.
    """

    tag: int
    end: int | None
    is_item: bool
    is_implicit: bool
    is_guess: bool = False


class _Walker:
    """One walk; without recursion, so that its own depth is no danger either."""

    def __init__(self, raw: bytes) -> None:
        self._data = raw
        self._found = DicomWalk(content=raw)
        self._stack: list[_Container] = []
        self._count = 0
        self._order = "<"

    def run(self) -> DicomWalk:
        start = self._start()
        implicit = self._representation(start)
        position = start
        while position < len(self._data) or self._stack:
            if self._found.values.get(_MODALITY, b"").strip(b"\0 ") in _NO_IMAGES and not self._stack:
                break
            try:
                position = self._step(position, implicit)
            except (struct.error, ValueError) as error:
                position = self._resume(error)
        return self._found

    def _start(self) -> int:
        """First byte of the data set; the file meta information, which is explicit little endian, is read."""
        position = 132 if self._data[128:132] == b"DICM" else 0
        while self._data[position : position + 2] == b"\x02\x00":
            try:
                tag, _, length, position = self._explicit(position)
            except struct.error as error:
                raise DamagedDicomError(self._found) from error
            if length == _UNDEFINED or position + length > len(self._data):
                raise DamagedDicomError(self._found)
            self._keep(self._found.values, tag, position, length)
            position += length
        self._found.syntax = self._found.values.get(SYNTAX, b"").decode("ascii", "replace").strip("\0 ")
        if self._found.syntax == DEFLATED:
            self._inflate(position)
            position = 0
        self._found.is_big_endian = self._found.syntax == BIG_ENDIAN
        self._order = ">" if self._found.is_big_endian else "<"
        return position

    def _inflate(self, position: int) -> None:
        machine = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            self._data = machine.decompress(self._data[position:], MOST_INFLATED)
        except zlib.error as error:
            raise DamagedDicomError(self._found) from error
        if not machine.eof:
            raise DamagedDicomError(self._found)
        self._found.content = self._data

    def _representation(self, position: int) -> bool:
        """Whether elements lack a value representation, as the first of them shows: headers may claim otherwise."""
        first = self._data[position : position + 6]
        if len(first) < 6:
            raise DamagedDicomError(self._found) if self._found.values else NotDicomError
        group = struct.unpack_from(self._order + "H", first)[0]
        if not self._found.values and not 0 < group <= 0x0010:
            raise NotDicomError
        seems_implicit = not (first[4:6].isalpha() and first[4:6].isupper())
        if self._found.syntax and seems_implicit != (self._found.syntax == IMPLICIT):
            self._found.is_sound = False
        return seems_implicit

    def _explicit(self, position: int) -> tuple[int, bytes, int, int]:
        group, number, kind, short = struct.unpack_from(self._order + "HH2sH", self._data, position)
        if kind in _LONG:
            return group << 16 | number, kind, self._long(position + 8), position + 12
        if not (kind.isalpha() and kind.isupper()):  # some writers leave it out where they know none
            self._found.is_sound = False
            return group << 16 | number, b"", self._long(position + 4), position + 8
        return group << 16 | number, kind, short, position + 8

    def _long(self, position: int) -> int:
        return struct.unpack_from(self._order + "I", self._data, position)[0]

    def _tag(self, position: int) -> int:
        group, number = struct.unpack_from(self._order + "HH", self._data, position)
        return group << 16 | number

    def _step(self, position: int, implicit: bool) -> int:
        """Read one element, item or delimiter; the position after it, or of the first thing within it."""
        container = self._stack[-1] if self._stack else None
        if container is not None and container.end is not None:
            if position == container.end:
                self._stack.pop()
                return position
            if position > container.end:
                raise ValueError("an element reaches beyond what holds it")
        self._count += 1
        if self._count > MOST_ELEMENTS:
            raise DamagedDicomError(self._found)
        tag = self._tag(position)
        if container is not None and not container.is_item:
            return self._item(tag, position, container)
        if tag == _ITEM_END and container is not None:
            self._stack.pop()
            return position + 8
        if container.is_implicit if container else implicit:
            length, kind, value = self._long(position + 4), b"", position + 8
        else:
            tag, kind, length, value = self._explicit(position)
        return self._element(
            _Element(tag, kind, length, value), container, container.is_implicit if container else implicit
        )

    def _item(self, tag: int, position: int, sequence: _Container) -> int:
        length = self._long(position + 4)
        if tag == _SEQUENCE_END:
            self._stack.pop()
            return position + 8
        if tag != _ITEM:
            raise ValueError("a sequence holds something else than items")
        if sequence.tag == FRAME_GROUPS and len(self._stack) == 1:
            self._found.by_frame.append({})
        self._open(sequence.tag, position + 8, length, is_item=True, implicit=sequence.is_implicit)
        return position + 8

    def _open(
        self, tag: int, position: int, length: int, *, is_item: bool, implicit: bool, is_guess: bool = False
    ) -> None:
        if len(self._stack) >= 2 * MOST_DEPTH:
            raise DamagedDicomError(self._found)
        end = None if length == _UNDEFINED else position + length
        if end is not None and end > self._limit():
            raise ValueError("a sequence or an item reaches beyond what holds it")
        self._stack.append(_Container(tag, end, is_item, implicit, is_guess))

    def _limit(self) -> int:
        return next((one.end for one in reversed(self._stack) if one.end is not None), len(self._data))

    def _element(self, found: _Element, container: _Container | None, implicit: bool) -> int:
        tag, length, value = found.tag, found.length, found.value
        if tag == PIXELS and container is None:
            return self._pixels(length, value)
        if found.kind == b"SQ" or length == _UNDEFINED:
            # Of unknown representation and undefined length: a sequence in the implicit one (PS3.5, 6.2.2, note 2).
            self._open(tag, value, length, is_item=False, implicit=implicit or found.kind == b"UN")
            self._note(tag, container)
            return value
        if value + length > self._limit():
            raise ValueError("a value reaches beyond what holds it")
        if found.kind in (b"", b"UN") and length >= 8 and self._tag(value) == _ITEM:
            self._open(tag, value, length, is_item=False, implicit=True, is_guess=True)
            self._note(tag, container)
            return value
        self._note(tag, container)
        self._pick(tag, value, length, container)
        return value + length

    def _note(self, tag: int, container: _Container | None) -> None:
        if container is None and (
            tag in _INTRICATE or (0x50 <= tag >> 24 <= 0x60 and tag >> 16 not in (0x5200, 0x5400))
        ):
            self._found.is_sound = False

    def _pick(self, tag: int, value: int, length: int, container: _Container | None) -> None:
        if container is None:
            if tag in _RESCALE:
                self._found.places.append((tag, value, length))
            self._keep(self._found.values, tag, value, length)
        elif len(self._stack) == 4 and (container.tag, tag) in _GROUPS:
            outer = self._stack[0].tag
            if tag in _RESCALE:
                self._found.places.append((tag, value, length))
            if outer == SHARED_GROUPS:
                self._keep(self._found.shared, tag, value, length)
            elif outer == FRAME_GROUPS:
                self._keep(self._found.by_frame[-1], tag, value, length)

    def _keep(self, values: dict[int, bytes], tag: int, value: int, length: int) -> None:
        if length <= LONGEST_VALUE:
            values.setdefault(tag, self._data[value : value + length])

    def _pixels(self, length: int, value: int) -> int:
        self._found.has_pixels = True
        if length != _UNDEFINED:
            if value + length > len(self._data):
                raise DamagedDicomError(self._found)
            self._found.pixels = (value, length)
            return value + length
        fragments = 0
        while value < len(self._data):
            tag, size = self._tag(value), self._long(value + 4)
            value += 8
            if tag == _SEQUENCE_END:
                return value
            fragments += 1
            if tag != _ITEM or size == _UNDEFINED or value + size > len(self._data) or fragments > MOST_ELEMENTS:
                raise DamagedDicomError(self._found)
            value += size
        self._found.is_sound = False  # no delimiter: whoever decodes it decides whether it is whole
        return value

    def _resume(self, error: Exception) -> int:
        """After a fault: behind the innermost container whose end is known; nothing else can be followed."""
        while self._stack:
            container = self._stack.pop()
            if container.end is not None and not container.is_item:
                if not container.is_guess and not any(outer.is_guess for outer in self._stack):
                    self._found.is_sound = False
                return container.end
        if self._found.has_pixels:  # what comes after them is of no use here
            self._found.is_sound = False
            return len(self._data)
        raise DamagedDicomError(self._found) from error
