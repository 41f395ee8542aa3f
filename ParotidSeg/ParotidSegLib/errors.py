"""The errors that a user can cause. Each message is one sentence: what is wrong and what to do about it."""

from __future__ import annotations


class ParotidSegError(Exception):
    """Base of everything that this library raises on purpose; its text is fit for a clinician's eyes.

    What it quotes of a file or a path may hold anything: ends of lines and other invisible characters are spelt out.
    """

    def __init__(self, text: object = "") -> None:
        spelt = (c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in str(text))
        super().__init__("".join(spelt))


class ImageError(ParotidSegError):
    """The input image cannot be read, or is not a CT that can be segmented."""


class BundleError(ParotidSegError):
    """A trained model is damaged, incomplete, of an unknown kind, or unsafe to load."""


class EngineError(ParotidSegError):
    """The engine that was asked for is not installed or cannot run the network."""


class OutputError(ParotidSegError):
    """A result cannot be written where it was asked for."""


class WorkerError(ParotidSegError):
    """The worker process of the Slicer module failed; the text says why."""


class DataError(ParotidSegError):
    """A training or evaluation data set is incomplete or inconsistent."""


class RecipeError(ParotidSegError):
    """A training recipe has a missing, unknown or impossible field; the message names it."""
