"""Examples for the correcting network: glands with some slices corrected, and how the rest should become."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from ParotidSegLib.correcting.expected.carrying import carried_mask
from ParotidSegLib.correcting.expected.gland import Strokes
from ParotidSegLib.correcting.expected.network_input import lattice_of, network_input, say
from ParotidSegLib.geometry.sampling import sample

from .simulated_user import Task, wavering, with_other_errors, without_uncertainty, worst_slice

#: Shares of the examples: those whose automatic contour errs otherwise, lacks its uncertainty, was drawn carelessly.
OTHER_ERRORS, NO_UNCERTAINTY, CARELESS = 0.6, 0.35, 0.3
#: How the user chooses slices, and how often.
CHOICES = {"worst": 0.5, "any": 0.3, "even": 0.2}
MOST_SLICES = 7


@dataclass(frozen=True)
class Example:
    """One state of a correction on the network's lattice.

    Attributes:
        values: the network's input, float16 (slice, row, column, channels).
        target: float16 (slice, row, column, 3): share of the gland in the voxel, whether it counts (corrected slices
            do not), how much the network has to say.
    """

    values: np.ndarray
    target: np.ndarray


def examples_of(tasks: Sequence[Task], each: int, seed: int) -> Iterator[Example]:
    """Random states of correction, `each` for every task, from this seed."""
    generator = np.random.default_rng(seed)
    for task in tasks:
        for _ in range(each):
            varied = with_other_errors(task, generator) if generator.random() < OTHER_ERRORS else task
            if generator.random() < NO_UNCERTAINTY:
                varied = without_uncertainty(varied)
            drawn = _drawn(varied, generator)
            if drawn:
                yield _example(varied, varied.strokes(drawn))


def _drawn(task: Task, generator: np.random.Generator) -> dict[int, np.ndarray]:
    """Some corrected slices, by number; none if nothing is wrong."""
    gland = task.gland
    choice = generator.choice(list(CHOICES), p=list(CHOICES.values()))
    count, careless = int(generator.integers(1, MOST_SLICES + 1)), generator.random() < CARELESS

    def draw(number: int) -> np.ndarray:
        return wavering(task.wanted[number], gland.spacing, generator) if careless else task.wanted[number]

    slices = np.flatnonzero((task.wanted | gland.automatic).any(axis=(1, 2)))
    if choice == "even":
        places = np.linspace(slices[0], slices[-1], count + 2)[1:-1]
        return {int(number): draw(int(number)) for number in np.unique(np.round(places))}
    if choice == "any":
        chosen = generator.choice(slices, min(count, slices.size), replace=False)
        return {int(number): draw(int(number)) for number in chosen}
    drawn: dict[int, np.ndarray] = {}
    contour = gland.automatic
    while len(drawn) < count:
        number = worst_slice(task.wanted, contour, list(drawn))
        if number is None:
            break
        drawn[number] = draw(number)
        contour = carried_mask(gland, task.strokes(drawn))
    return drawn


def _example(task: Task, strokes: Strokes) -> Example:
    gland = task.gland
    lattice = lattice_of(gland)
    wanted = sitk.GetImageFromArray(task.wanted.astype(np.float32))
    wanted.SetSpacing(gland.spacing[::-1])
    share = sample(wanted, lattice, outside=0.0)
    positions = lattice.origin[2] + np.arange(lattice.size[2]) * lattice.spacing[2]
    distances = np.abs(positions[:, None] - gland.positions[strokes.slices]).min(axis=1)
    counts = np.broadcast_to((distances > gland.spacing[0] / 2.0)[:, None, None], share.shape)
    if gland.is_left:  # as the network's input
        share = share[:, :, ::-1]
    target = np.stack([share, counts, np.full(share.shape, say(gland, strokes))], axis=-1)
    return Example(network_input(gland, strokes, lattice).astype(np.float16), target.astype(np.float16))


def batch_of(examples: Sequence[Example]) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and targets (example, slice, row, column, …) as float32, filled up with zeros that do not count."""
    shape = np.max([example.values.shape[:3] for example in examples], axis=0)
    arrays = []
    for parts in ([example.values for example in examples], [example.target for example in examples]):
        whole = np.zeros((len(parts), *shape, parts[0].shape[-1]), np.float32)
        for row, part in zip(whole, parts, strict=True):
            row[tuple(slice(0, size) for size in part.shape[:3])] = part
        arrays.append(whole)
    return arrays[0], arrays[1]
