"""What TensorBoard would show of a folder of event files."""

from __future__ import annotations

import struct
from pathlib import Path

from tensorboardX.proto.event_pb2 import Event


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """(step, value) by name. What a later session declared void (its first event is a session start) is left out."""
    found: dict[str, list[tuple[int, float]]] = {}
    for path in sorted(folder.iterdir()):
        for event in _events(path.read_bytes()):
            if event.session_log.status == event.session_log.START:
                found = {name: [pair for pair in pairs if pair[0] < event.step] for name, pairs in found.items()}
            for value in event.summary.value:
                found.setdefault(value.tag, []).append((event.step, value.simple_value))
    return found


def _events(content: bytes) -> list[Event]:
    """Records are a length, its checksum, the message, its checksum; a killed process may leave the last one short."""
    events, at = [], 0
    while at + 12 <= len(content):
        (length,) = struct.unpack_from("<Q", content, at)
        if at + 16 + length > len(content):
            break
        events.append(Event.FromString(content[at + 12 : at + 12 + length]))
        at += 16 + length
    return events
