"""Fixtures that several test files share; makes both packages importable from a fresh clone."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
for module_folder in ("ParotidSeg", "ParotidSegTraining"):
    sys.path.insert(0, str(REPOSITORY / module_folder))


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder of real data: PAROTIDSEG_DATA, or shared/data beside the repository; skips where it is absent."""
    folder = Path(os.environ.get("PAROTIDSEG_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"the real data is not at {folder}")
    return folder
