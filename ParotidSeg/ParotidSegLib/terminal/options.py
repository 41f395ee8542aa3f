"""Options that several commands have: how a model is run, and what is seen of it."""

from __future__ import annotations

import argparse
import os

from ..model.engines import ENGINES


def add_engine_options(command: argparse.ArgumentParser) -> None:
    """How a model is run, and what is seen of it."""
    command.add_argument("--engine", default="auto", choices=ENGINES)
    command.add_argument(
        "--device", default="auto", choices=("auto", "cpu"), help="cpu hides graphics cards from the engine"
    )
    command.add_argument("--no-mirror", action="store_true", help="skip the mirrored pass: a little faster")
    command.add_argument("--progress", default="human", choices=("human", "json", "none"))


def hide_graphics_cards(device: str) -> None:
    """Obey --device cpu; must come before TensorFlow loads."""
    if device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
