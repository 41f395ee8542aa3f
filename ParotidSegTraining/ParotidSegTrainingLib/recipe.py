"""A recipe: everything that defines a training run, as data.

A recipe is a JSON file. Reading it checks every field and names the one that is wrong, so that a run fails before its
first step and not after its first epoch.
"""

from __future__ import annotations

import copy
import dataclasses
import json
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from importlib import resources
from pathlib import Path
from typing import Any

from ParotidSegLib.errors import RecipeError
from ParotidSegLib.files.fields import from_data
from ParotidSegLib.files.json_text import parse_json
from ParotidSegLib.model.preprocessing import Preprocessing
from ParotidSegLib.structures import PAROTIDS, Structure, check_structures, mirrored_labels

SCHEDULES = ("constant", "cosine", "polynomial", "step")
PRECISIONS = ("auto", "float32", "mixed_bfloat16", "mixed_float16")


@dataclass(frozen=True)
class Sampling:
    """Where training patches lie.

    Attributes:
        anchor: "midpoint" (between the structures) or "voxel" (a random voxel of a random structure).
        jitter: largest random shift of the patch from its anchor in mm, (z, y, x).
        foreground_share: share of the patches that have an anchor; the others lie anywhere in the scan within reach of
            such patches (what lies farther from the structures is never read).
        repeats: pattern of names of cases ("*_oncologist") -> how often such a case comes while the others come once:
            what says more should be seen more often. The first pattern that fits a name counts.
    """

    anchor: str = "voxel"
    jitter: tuple[float, float, float] = (20.0, 20.0, 20.0)
    foreground_share: float = 0.75
    repeats: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _require(self.anchor in ("midpoint", "voxel"), "sampling.anchor must be 'midpoint' or 'voxel'")
        _require(0.0 <= self.foreground_share <= 1.0, "sampling.foreground_share must lie between 0 and 1")
        _require(min(self.jitter) >= 0.0, "sampling.jitter must not be negative")
        whole = (
            isinstance(times, int) and not isinstance(times, bool) and times > 0 for times in self.repeats.values()
        )
        _require(all(whole), "sampling.repeats must be whole numbers from 1 on")

    def times(self, case: str) -> int:
        """How often this case comes in a round."""
        return next((times for pattern, times in self.repeats.items() if fnmatchcase(case, pattern)), 1)


@dataclass(frozen=True)
class Augmentation:
    """Ranges of the random transforms; zero switches one off.

    Intensities are counted in half windows: of a channel's window of -200 to 300 HU, 0.1 is 25 HU.

    Attributes:
        mirror: chance of a left-right mirror image; the labels of the two sides are swapped with it.
        rotation: largest rotation about each axis in degrees.
        scale: largest relative change of size, along each axis on its own.
        shear: largest shear, as a tangent.
        quarter_turns: turn the patient about the long axis by a random number of right angles.
        elastic: largest displacement of the control points of a smooth random deformation, in mm.
        gain: largest relative change of contrast about the middle of the window.
        offset: largest shift of brightness.
        tones: pairs of gain and offset of which one is drawn and applied, too; none for no such change.
        gamma: largest logarithm of the exponent that is applied to the shown values, taken from 0 to 1.
        noise: largest standard deviation of Gaussian noise.
        blur: largest standard deviation of a Gaussian blur in voxels; what is drawn below 0.2 changes nothing.
        sharpness: largest share of the fine detail that is added, as a sharp kernel does; every other patch has none.
        anisotropy: largest factor by which the resolution along one random axis is lowered; below 1 for none.
        truncation: chance that the scan ends somewhere within the patch, at its top or its bottom.
        streaks: largest standard deviation of the streaks of a piece of metal, where they begin; for CT, since
            they lie on all channels. Every other patch has none.
        bolus: chance of bolus on the skin of one or both sides; for CT, as the two below.
        devices: chance of one to three other things outside the body: a mask, a headrest, a couch, ear pieces, cloth,
            an arm.
        field: chance that the field of view ends at or within one or both sides of the patient.
    """

    mirror: float = 0.5
    rotation: float = 10.0
    scale: float = 0.1
    shear: float = 0.05
    quarter_turns: bool = False
    elastic: float = 0.0
    gain: float = 0.1
    offset: float = 0.06
    tones: tuple[tuple[float, float], ...] = ()
    gamma: float = 0.0
    noise: float = 0.08
    blur: float = 0.6
    anisotropy: float = 0.0
    truncation: float = 0.0
    streaks: float = 0.0
    bolus: float = 0.0
    devices: float = 0.0
    field: float = 0.0
    sharpness: float = 0.0

    def __post_init__(self) -> None:
        for name in ("mirror", "truncation", "bolus", "devices", "field"):
            _require(0.0 <= getattr(self, name) <= 1.0, f"augmentation.{name} must lie between 0 and 1")
        for name in (
            *("rotation", "scale", "shear", "elastic"),
            *("gain", "offset", "gamma", "noise", "blur", "sharpness", "anisotropy", "streaks"),
        ):
            _require(getattr(self, name) >= 0.0, f"augmentation.{name} must not be negative")
        _require(self.scale < 1.0, "augmentation.scale must lie below 1")
        _require(self.gain < 1.0, "augmentation.gain must lie below 1")
        _require(all(gain > 0.0 for gain, _ in self.tones), "the gains of augmentation.tones must be positive")

    @property
    def needs_skin(self) -> bool:
        """Whether it asks where the patient's skin is."""
        return max(self.bolus, self.devices, self.field) > 0.0


@dataclass(frozen=True)
class Optimisation:
    """How the weights are found.

    A step takes `accumulate` batches one after another and changes the weights once, by the mean of their gradients.
    Of a loss that is a mean over voxels this is the step of one batch `accumulate` times as large; a loss that takes
    its sums over the batch (Dice, Tversky and their kin) takes them over each batch on its own, and batch norm its
    statistics.

    Attributes:
        learning_rate: the highest rate.
        schedule: "constant", "cosine" (to zero), "polynomial" (to zero) or "step", see `schedules`.
        warmup_steps: linear rise of the rate at the start; at most all steps but one.
        step_epochs, step_factor: of the schedule "step": every so many epochs the rate is multiplied by the factor.
        power: exponent of the schedule "polynomial".
        weight_decay: decoupled weight decay (AdamW).
        clip_norm: largest global norm of the gradient.
        ema: momentum of the moving average of the weights that is validated and kept; 0 for none.
        batch_size: patches in a batch.
        accumulate: batches a step.
        steps_per_epoch, epochs: length of the run.
        patience: end after this many epochs in a row without a better validation Dice; 0 to go on to the last epoch.
    """

    learning_rate: float = 1e-3
    schedule: str = "cosine"
    warmup_steps: int = 0
    step_epochs: int = 30
    step_factor: float = 0.1
    power: float = 0.9
    weight_decay: float = 0.0
    clip_norm: float = 1.0
    ema: float = 0.0
    batch_size: int = 2
    accumulate: int = 1
    steps_per_epoch: int = 200
    epochs: int = 50
    patience: int = 0

    def __post_init__(self) -> None:
        _require(self.schedule in SCHEDULES, f"optimisation.schedule must be one of {', '.join(SCHEDULES)}")
        for name in ("batch_size", "accumulate", "steps_per_epoch", "epochs", "step_epochs"):
            _require(getattr(self, name) > 0, f"optimisation.{name} must be positive")
        for name in ("learning_rate", "clip_norm", "step_factor", "power"):
            _require(getattr(self, name) > 0.0, f"optimisation.{name} must be positive")
        for name in ("warmup_steps", "weight_decay", "patience"):
            _require(getattr(self, name) >= 0, f"optimisation.{name} must not be negative")
        _require(self.step_factor <= 1.0, "optimisation.step_factor must not be above 1")
        _require(0.0 <= self.ema < 1.0, "optimisation.ema must be at least 0 and below 1")

    @property
    def total_steps(self) -> int:
        """Steps of the whole run."""
        return self.steps_per_epoch * self.epochs

    @property
    def patches_per_epoch(self) -> int:
        """Patches that the steps of an epoch take."""
        return self.steps_per_epoch * self.accumulate * self.batch_size


@dataclass(frozen=True)
class Recipe:
    """One training run.

    Attributes:
        name: short name of the recipe.
        description: what it trains, in a sentence.
        network: name in the registry of networks.
        network_config: keyword arguments of the network; channels and classes follow from the data.
        preprocessing: grid, images and channels.
        tile: size of a patch in voxels, (z, y, x); a tile of one slice makes a two-dimensional network.
        loss: {"name": …, and its parameters}.
        sampling, augmentation, optimisation: see there.
        precision: one of PRECISIONS; "auto" for what suits the hardware, see `hardware`.
        structures: what it segments, in label order; the data set has to have the same.
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
    structures: tuple[Structure, ...] = PAROTIDS
    exclude: tuple[str, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        _require("name" in self.loss, "loss.name is missing")
        _require(isinstance(self.loss["name"], str), "loss.name must be a text")
        _require(min(self.tile) > 0, "tile must be positive")
        _require(self.precision in PRECISIONS, f"precision must be one of {', '.join(PRECISIONS)}")
        check_structures(self.structures)
        if self.augmentation.mirror:
            mirrored_labels(self.structures)
        if self.augmentation.needs_skin:
            modality = self.preprocessing.inputs[0].modality
            _require(modality == "CT", "augmentation.bolus, devices and field are for a CT as the first input")
        _require(0 <= self.seed < 2**32, "seed must lie between 0 and 4294967295")

    @property
    def network_arguments(self) -> dict[str, Any]:
        """What the network is built with: its configuration, and the channels and classes that follow from the data."""
        return {
            "input_channels": len(self.preprocessing.channels),
            "classes": 1 + len(self.structures),
            **self.network_config,
        }

    @property
    def mirrors(self) -> bool:
        """Whether the network learns from mirror images, so that it may be asked about one."""
        return self.augmentation.mirror > 0.0

    @property
    def needs_whole_head(self) -> bool:
        """Whether it is for scans of a head, so that a few slices would not do."""
        return self.structures == PAROTIDS

    def to_json(self) -> str:
        """The recipe as indented JSON."""
        return json.dumps(dataclasses.asdict(self), indent=2) + "\n"


def _require(condition: bool, message: str) -> None:
    """Raise a ValueError, which `from_fields` turns into the sentence that a user sees."""
    if not condition:
        raise ValueError(message)


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
        data = parse_json(text)
    except ValueError as error:
        raise RecipeError(f"The recipe '{name_or_path}' is not valid JSON: {error}.") from error
    if not isinstance(data, dict):
        raise RecipeError(f"The recipe '{name_or_path}' must be a table of fields.")
    for dotted, value in (overrides or {}).items():
        _override(data, dotted, value)
    return from_fields(data)


def from_fields(data: dict[str, Any]) -> Recipe:
    """The recipe of these fields; a RecipeError names the one that is wrong."""
    try:
        return from_data(Recipe, data)
    except ValueError as error:
        raise RecipeError(f"The recipe is not valid: {error}.") from error


def _override(data: dict[str, Any], dotted: str, value: Any) -> None:
    *parents, last = dotted.split(".")
    for parent in parents:
        data = data.setdefault(parent, {})
        if not isinstance(data, dict):
            raise RecipeError(f"The recipe is not valid: {dotted} is not a field.")
    # A later override may reach into this one, which stays the caller's own.
    data[last] = copy.deepcopy(value)
