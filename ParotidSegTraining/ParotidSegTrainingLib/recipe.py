"""A recipe: everything that defines a training run, as data.

A recipe is a JSON file. Reading it checks every field and names the one that is wrong, so that a run fails before its
first step and not after its first epoch.
"""

from __future__ import annotations

import copy
import dataclasses
import json
import math
import typing
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from ParotidSegLib.errors import RecipeError
from ParotidSegLib.preprocessing import Preprocessing


@dataclass(frozen=True)
class Sampling:
    """Where training patches lie.

    Attributes:
        anchor: "midpoint" (between the glands) or "voxel" (a random voxel of a random gland).
        jitter: largest random shift of the patch from its anchor in mm, (z, y, x).
        foreground_share: share of the patches that have an anchor; the others lie anywhere in the scan.
    """

    anchor: str = "voxel"
    jitter: tuple[float, float, float] = (20.0, 20.0, 20.0)
    foreground_share: float = 0.75

    def __post_init__(self) -> None:
        _require(self.anchor in ("midpoint", "voxel"), "sampling.anchor must be 'midpoint' or 'voxel'")
        _require(0.0 <= self.foreground_share <= 1.0, "sampling.foreground_share must lie between 0 and 1")
        _require(min(self.jitter) >= 0.0, "sampling.jitter must not be negative")


@dataclass(frozen=True)
class Augmentation:
    """Ranges of the random transforms; zero switches one off.

    Attributes:
        mirror: chance of a left-right mirror image; the two labels are swapped with it.
        rotation: largest rotation about each axis in degrees.
        scale: largest relative change of size, along each axis on its own.
        shear: largest shear, as a tangent.
        gain: largest relative change of contrast about 0 HU.
        offset: largest shift in HU.
        noise: largest standard deviation of Gaussian noise in HU.
        blur: largest standard deviation of a Gaussian blur in voxels; what is drawn below 0.2 changes nothing.
        truncation: chance that the scan ends somewhere within the patch, at its top or its bottom.
    """

    mirror: float = 0.5
    rotation: float = 10.0
    scale: float = 0.1
    shear: float = 0.05
    gain: float = 0.1
    offset: float = 15.0
    noise: float = 20.0
    blur: float = 0.6
    truncation: float = 0.0

    def __post_init__(self) -> None:
        for name in ("mirror", "truncation"):
            _require(0.0 <= getattr(self, name) <= 1.0, f"augmentation.{name} must lie between 0 and 1")
        for name in ("rotation", "scale", "shear", "gain", "offset", "noise", "blur"):
            _require(getattr(self, name) >= 0.0, f"augmentation.{name} must not be negative")
        _require(self.scale < 1.0, "augmentation.scale must lie below 1")
        _require(self.gain < 1.0, "augmentation.gain must lie below 1")


@dataclass(frozen=True)
class Optimisation:
    """How the weights are found.

    Attributes:
        learning_rate: the highest rate.
        schedule: "constant" or "cosine" (to zero at the last step).
        warmup_steps: linear rise of the rate at the start, of the cosine schedule only.
        weight_decay: decoupled weight decay (AdamW).
        clip_norm: largest global norm of the gradient.
        ema: momentum of the moving average of the weights that is validated and kept; 0 for none.
        batch_size: patches a step.
        steps_per_epoch, epochs: length of the run.
    """

    learning_rate: float = 1e-3
    schedule: str = "cosine"
    warmup_steps: int = 0
    weight_decay: float = 0.0
    clip_norm: float = 1.0
    ema: float = 0.0
    batch_size: int = 2
    steps_per_epoch: int = 200
    epochs: int = 50

    def __post_init__(self) -> None:
        _require(self.schedule in ("constant", "cosine"), "optimisation.schedule must be 'constant' or 'cosine'")
        for name in ("batch_size", "steps_per_epoch", "epochs"):
            _require(getattr(self, name) > 0, f"optimisation.{name} must be positive")
        for name in ("learning_rate", "clip_norm"):
            _require(getattr(self, name) > 0.0, f"optimisation.{name} must be positive")
        for name in ("warmup_steps", "weight_decay"):
            _require(getattr(self, name) >= 0, f"optimisation.{name} must not be negative")
        _require(
            self.schedule == "cosine" or self.warmup_steps == 0, "optimisation.warmup_steps needs the schedule 'cosine'"
        )
        _require(0.0 <= self.ema < 1.0, "optimisation.ema must be at least 0 and below 1")

    @property
    def total_steps(self) -> int:
        """Steps of the whole run."""
        return self.steps_per_epoch * self.epochs


@dataclass(frozen=True)
class Recipe:
    """One training run.

    Attributes:
        name: short name of the recipe.
        description: what it trains, in a sentence.
        network: name in the registry of networks.
        network_config: keyword arguments of the network.
        preprocessing: grid and intensity window.
        tile: size of a patch in voxels, (z, y, x).
        loss: {"name": …, and its parameters}.
        sampling, augmentation, optimisation: see there.
        precision: "mixed_bfloat16", which "auto" stands for, or "float32".
        exclude: cases of the data set that are left out.
        seed: every random number of the run derives from it.
    """

    name: str
    description: str
    network: str
    network_config: dict[str, Any]
    preprocessing: Preprocessing
    tile: tuple[int, int, int]
    loss: dict[str, Any]
    sampling: Sampling = field(default_factory=Sampling)
    augmentation: Augmentation = field(default_factory=Augmentation)
    optimisation: Optimisation = field(default_factory=Optimisation)
    precision: str = "auto"
    exclude: tuple[str, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        _require("name" in self.loss, "loss.name is missing")
        _require(isinstance(self.loss["name"], str), "loss.name must be a text")
        _require(min(self.tile) > 0, "tile must be positive")
        known = ("auto", "mixed_bfloat16", "float32")
        _require(self.precision in known, f"precision must be one of {', '.join(known)}")
        _require(all(edge > 0 for edge in self.preprocessing.spacing), "preprocessing.spacing must be positive")
        low, high = self.preprocessing.window
        _require(low < high, "preprocessing.window must rise")
        _require(0 <= self.seed < 2**32, "seed must lie between 0 and 4294967295")

    def to_json(self) -> str:
        """The recipe as indented JSON."""
        return json.dumps(dataclasses.asdict(self), indent=2) + "\n"


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise RecipeError(f"The recipe is not valid: {message}.")


def names() -> list[str]:
    """Names of the recipes that ship."""
    folder = resources.files(__package__) / "recipes"
    return sorted(entry.name.removesuffix(".json") for entry in folder.iterdir() if entry.name.endswith(".json"))


def load(name_or_path: str, overrides: dict[str, Any] | None = None) -> Recipe:
    """Read a recipe that ships, by its name, or one of the user's, by its path.

    Args:
        name_or_path: "parotid-ct" or "my/recipe.json".
        overrides: values for dotted field names, e.g. {"optimisation.epochs": 3}.

    Raises:
        RecipeError: the file is missing, is no JSON, or has a missing, unknown or impossible field.
    """
    if name_or_path in names():
        text = (resources.files(__package__) / "recipes" / f"{name_or_path}.json").read_text(encoding="utf-8")
    else:
        path = Path(name_or_path)
        if not path.is_file():
            raise RecipeError(f"There is no recipe '{name_or_path}'; known are {', '.join(names())}, or give a file.")
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise RecipeError(f"The recipe '{name_or_path}' cannot be read as text: give a JSON file.") from error
    try:
        data = json.loads(text)
    except ValueError as error:
        raise RecipeError(f"The recipe '{name_or_path}' is not valid JSON: {error}.") from error
    _require(isinstance(data, dict), "the file must be a table of fields")
    for dotted, value in (overrides or {}).items():
        _override(data, dotted, value)
    return from_dict(Recipe, data)


def _override(data: dict[str, Any], dotted: str, value: Any) -> None:
    *parents, last = dotted.split(".")
    for parent in parents:
        data = data.setdefault(parent, {})
        _require(isinstance(data, dict), f"{dotted} is not a field")
    # A later override may reach into this one, which stays the caller's own.
    data[last] = copy.deepcopy(value)


def from_dict(cls: type, data: Any, where: str = "") -> Any:
    """Build a dataclass from JSON data, checking names and types; a RecipeError names the field that is wrong."""
    _require(isinstance(data, dict), f"{where.rstrip('.') or 'the recipe'} must be a table of fields")
    hints = typing.get_type_hints(cls)
    fields = {f.name: f for f in dataclasses.fields(cls)}
    for key in data:
        _require(key in fields, f"{where}{key} is not a field (known: {', '.join(fields)})")
    values = {}
    for name, spec in fields.items():
        if name in data:
            values[name] = _convert(hints[name], data[name], f"{where}{name}")
        else:
            has_default = spec.default is not dataclasses.MISSING or spec.default_factory is not dataclasses.MISSING
            _require(has_default, f"{where}{name} is missing")
    return cls(**values)


def _convert(kind: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(kind):
        return from_dict(typing.cast(type, kind), value, f"{where}.")
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple:
        _require(isinstance(value, list | tuple), f"{where} must be a list")
        if arguments[-1] is Ellipsis:
            return tuple(_convert(arguments[0], item, where) for item in value)
        _require(len(value) == len(arguments), f"{where} must have {len(arguments)} values")
        return tuple(_convert(k, item, where) for k, item in zip(arguments, value, strict=True))
    if origin is dict:
        _require(isinstance(value, dict), f"{where} must be a table of fields")
        return dict(value)
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        # JSON as Python reads it knows NaN and Infinity; no field means either.
        _require(math.isfinite(value), f"{where} must be a finite number")
        return float(value)
    right = isinstance(value, kind) and not (kind is int and isinstance(value, bool))
    _require(right, f"{where} must be of type {kind.__name__}, not {value!r}")
    return value
