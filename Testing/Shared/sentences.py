"""What a user reads when something is refused."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest


def refusal(kind: type[Exception], action: Callable[..., object], *arguments: object, **options: object) -> str:
    """The text of the error of this kind that the call must raise, after a check that it is one plain sentence."""
    with pytest.raises(kind) as caught:
        action(*arguments, **options)
    text = str(caught.value)
    assert "\n" not in text
    assert text.endswith(".")
    assert len(text) < 450
    assert not re.search(r"[.!?]\s+[A-Z]", text), f"more than one sentence: {text}"
    assert not re.search(r"\bITK\b|sitk|Exception|Traceback|0x[0-9a-f]{6}|errno", text, re.IGNORECASE)
    return text
