"""Changing bytes at random, so that what is left still looks like the format: the same seed gives the same bytes."""

from __future__ import annotations

import random
import re
import struct
from collections.abc import Callable, Sequence

#: Whole numbers at which counts and lengths go wrong.
_EDGES = (0, 1, 2, 7, 127, 128, 255, 256, 32767, 32768, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1)
_NUMBERS = (
    "0",
    "-1",
    "1e999",
    "nan",
    "-0.0",
    "1e-300",
    "99999999999",
    "1,5",
    "",
    "0x10",
    "1e5",
    "-1e5",
    "true",
    "null",
)
_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
#: How often a change falls into the first part of a file, where the headers are.
_IN_HEADER, _HEADER_BYTES = 0.7, 1500
#: One change reaches farther than four, so it is more frequent.
_CHANGE_COUNTS = (1, 1, 1, 2, 3, 4)

Change = Callable[[random.Random, bytearray, Sequence[bytes]], None]


def mutated(seed: str, corpus: Sequence[bytes], words: Sequence[bytes] = ()) -> bytes:
    """One of the corpus, changed in one to four places.

    Args:
        seed: decides everything.
        corpus: sound files.
        words: pieces of the format, to be put in.
    """
    rng = random.Random(seed)
    data = bytearray(rng.choice(corpus))
    for _ in range(rng.choice(_CHANGE_COUNTS)):
        if not data:
            break
        rng.choice(_CHANGES)(rng, data, words or corpus)
    return bytes(data)


def _place(rng: random.Random, data: bytearray) -> int:
    end = len(data)
    return rng.randrange(min(end, _HEADER_BYTES) if rng.random() < _IN_HEADER else end)


def _flip(rng: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    data[_place(rng, data)] ^= 1 << rng.randrange(8)


def _byte(rng: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    data[_place(rng, data)] = rng.choice((0, 1, 0x20, 0x2D, 0x30, 0x5C, 0x7F, 0x80, 0xFF, rng.randrange(256)))


def _edge(rng: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    kind = rng.choice(("<H", ">H", "<I", ">I", "<f", "<d"))
    value = rng.choice(_EDGES)
    if kind[1] in "fd":
        raw = struct.pack(kind, rng.choice((float(value), -float(value), float("nan"), float("inf"))))
    else:
        raw = struct.pack(kind, value % 2 ** (8 * struct.calcsize(kind)))
    place = _place(rng, data)
    data[place : place + len(raw)] = raw


def _cut(rng: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    del data[_place(rng, data) :]


def _remove(rng: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    place = _place(rng, data)
    del data[place : place + rng.choice((1, 2, 4, 8, 64, 512))]


def _repeat(rng: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    place = _place(rng, data)
    piece = bytes(data[place : place + rng.choice((1, 2, 4, 8, 64, 512))])
    data[place:place] = piece * rng.choice((1, 2, 50))


def _move(rng: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    start, length = _place(rng, data), rng.choice((2, 4, 8, 64))
    piece = bytes(data[start : start + length])
    del data[start : start + length]
    place = rng.randrange(len(data) + 1)
    data[place:place] = piece


def _word(rng: random.Random, data: bytearray, words: Sequence[bytes]) -> None:
    word, place = rng.choice(words)[:512], _place(rng, data)
    data[place : place + (len(word) if rng.random() < 0.5 else 0)] = word


def _number(rng: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    found = list(_NUMBER.finditer(bytes(data[: 4 * _HEADER_BYTES])))
    if found:
        match = rng.choice(found)
        data[match.start() : match.end()] = rng.choice(_NUMBERS).encode()


def _nest(rng: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    opened, closed = rng.choice(((b"[", b"]"), (b'{"a":', b"}"), (_DEEP, b"")))
    place, count = _place(rng, data), rng.choice((3, 40, 3000))
    data[place:place] = opened * count + closed * count


#: A sequence of undefined length with an item of undefined length, as DICOM nests them.
_DEEP = b"\x08\x00\x40\x11SQ\x00\x00\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
_CHANGES: tuple[Change, ...] = (
    _flip,
    _flip,
    _byte,
    _byte,
    _edge,
    _edge,
    _cut,
    _remove,
    _repeat,
    _move,
    _word,
    _number,
    _number,
    _nest,
)
