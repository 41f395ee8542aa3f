"""The version, stated here alone: the package's metadata, provenance records and reports read it."""

from __future__ import annotations

__version__ = "0.2.0"
