"""Errors of contours as people and programs make them, drawn apart from applied, so that each can be replayed.

An error is made on the contour of one gland, in patient space, on the scan's own voxels; only bolus changes the scan as
well. Severity runs from 0, hardly an error, to 1, gross.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

sys.path.insert(0, str(Path(__file__).resolve().parent))

from made_changes import coordinates, covered, like, off_skin, with_margin

#: Random numbers between 0 and 1 that an error may use beyond its severity: places and directions.
NUMBERS = 9
BONE, MUSCLE, SOFT = (200, 3000), (10, 110), (-80, 120)
OTHER = {1: 2, 2: 1}


@dataclass(frozen=True)
class Error:
    """What is to be done to which gland.

    Attributes:
        kind: one of `KINDS`.
        label: of the gland, 1 the patient's right, 2 the left.
        severity: 0 to 1.
        numbers: of `NUMBERS` uniform random numbers.
    """

    kind: str
    label: int
    severity: float
    numbers: tuple[float, ...]

    def between(self, low: float, high: float) -> float:
        """The value of this severity."""
        return low + self.severity * (high - low)


@dataclass(frozen=True)
class Site:
    """A scan and one contour in it; axes in LPS order.

    Attributes:
        image: the scan.
        mask: bool (z, y, x).
        labels: the whole label map.
        outward: −1 for the right gland, 1 for the left: which way its skin lies along x.
        known_skin: distance from the skin, mm (z, y, x), if it is known already.
    """

    image: sitk.Image
    mask: np.ndarray
    labels: sitk.Image
    outward: float
    known_skin: np.ndarray | None = None

    @property
    def skin(self) -> np.ndarray:
        """Distance from the skin, mm (z, y, x); negative in the body."""
        return off_skin(self.image) if self.known_skin is None else self.known_skin

    @property
    def values(self) -> np.ndarray:
        """HU (z, y, x)."""
        return sitk.GetArrayFromImage(self.image)

    @property
    def places(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """x, y and z in mm, for broadcasting."""
        return coordinates(self.image)

    @property
    def middle(self) -> np.ndarray:
        """Of the contour, (x, y, z) in mm."""
        return np.array([float((np.broadcast_to(c, self.mask.shape))[self.mask].mean()) for c in self.places])

    def ball(self, centre: np.ndarray, radii: float | tuple[float, float, float]) -> np.ndarray:
        """Voxels within a ball or an ellipsoid (radii along x, y, z), mm."""
        parts = zip(self.places, centre, np.broadcast_to(radii, 3), strict=True)
        return sum(((c - m) / r) ** 2 for c, m, r in parts) < 1.0

    def within(self, bounds: tuple[int, int]) -> np.ndarray:
        """Voxels with values between two HU."""
        return (self.values > bounds[0]) & (self.values < bounds[1])

    def distance(self) -> np.ndarray:
        """From the contour, mm, negative within."""
        image = as_image(self.mask, self.image)
        return sitk.GetArrayFromImage(sitk.SignedMaurerDistanceMap(image, False, False, True))

    def transformed(self, transform: sitk.Transform) -> np.ndarray:
        """The contour where the inverse of the transform leads."""
        share = sitk.Cast(as_image(self.mask, self.image), sitk.sitkFloat32)
        there = sitk.Resample(share, self.image, transform, sitk.sitkLinear, 0.0)
        return sitk.GetArrayFromImage(there) > 0.5

    def nearest_to(self, point: np.ndarray) -> np.ndarray:
        """The voxel of the contour nearest to a point, (x, y, z) in mm."""
        index = np.argwhere(self.mask)
        points = np.stack([c.ravel()[index[:, 2 - axis]] for axis, c in enumerate(self.places)], axis=1)
        return points[np.linalg.norm(points - point, axis=1).argmin()]


def as_image(mask: np.ndarray, image: sitk.Image) -> sitk.Image:
    """A mask as uint8 on the voxels of an image."""
    made = sitk.GetImageFromArray(mask.astype(np.uint8))
    made.CopyInformation(image)
    return made


def largest_piece(mask: np.ndarray) -> np.ndarray:
    """Its largest connected piece."""
    pieces = sitk.GetArrayFromImage(sitk.ConnectedComponent(sitk.GetImageFromArray(mask.astype(np.uint8))))
    counts = np.bincount(pieces.ravel())
    return pieces == 1 + int(counts[1:].argmax()) if len(counts) > 1 else mask


def direction(numbers: tuple[float, ...]) -> np.ndarray:
    """A random direction, (x, y, z)."""
    z, angle = 2.0 * numbers[0] - 1.0, 2.0 * np.pi * numbers[1]
    return np.array([np.sqrt(1 - z * z) * np.cos(angle), np.sqrt(1 - z * z) * np.sin(angle), z])


def _inner_slices(site: Site, error: Error, count: int) -> slice:
    """A run of slices that leaves the ends of the contour alone."""
    filled = np.flatnonzero(site.mask.any(axis=(1, 2)))
    count = min(count, max(1, len(filled) - 4))
    first = filled[0] + 2 + int(error.numbers[0] * max(1, len(filled) - 3 - count))
    return slice(first, first + count)


# The errors: each gives the new contour of the gland


def cut(site: Site, error: Error, *, top: bool) -> np.ndarray:
    """Without its uppermost or lowest 6 to 22 mm."""
    filled = np.flatnonzero(site.mask.any(axis=(1, 2)))
    lost = min(max(1, round(error.between(6.0, 22.0) / site.image.GetSpacing()[2])), len(filled) - 2)
    kept = site.mask.copy()
    kept[filled[-lost] if top else 0 : None if top else filled[lost]] = False
    return kept


def moved(site: Site, error: Error) -> np.ndarray:
    """In some direction by 3 to 14 mm."""
    by = error.between(3.0, 14.0) * direction(error.numbers)
    return site.transformed(sitk.TranslationTransform(3, (-by).tolist()))


def moved_by_slices(site: Site, error: Error) -> np.ndarray:
    """Up or down by 1 to 5 slices."""
    count = round(error.between(1.0, 5.0)) * (1 if error.numbers[0] < 0.5 else -1)
    index = np.arange(len(site.mask)) - count
    known = (index >= 0) & (index < len(site.mask))
    return site.mask[np.clip(index, 0, len(site.mask) - 1)] & known[:, None, None]


def some_slices_moved(site: Site, error: Error) -> np.ndarray:
    """A run of 2 to 8 slices within the gland is 5 to 16 mm aside."""
    run = _inner_slices(site, error, round(error.between(2.0, 8.0)))
    angle = 2.0 * np.pi * error.numbers[1]
    by = error.between(5.0, 16.0) * np.array([np.cos(angle), np.sin(angle), 0.0])
    changed = site.mask.copy()
    changed[run] = site.transformed(sitk.TranslationTransform(3, (-by).tolist()))[run]
    return changed


def slices_missing(site: Site, error: Error) -> np.ndarray:
    """A run of 1 to 6 slices within the gland is empty."""
    changed = site.mask.copy()
    changed[_inner_slices(site, error, round(error.between(1.0, 6.0)))] = False
    return changed


def hole(site: Site, error: Error) -> np.ndarray:
    """A ball of 4 to 11 mm radius is missing; its middle lies at least 3 mm below the surface of a thick gland."""
    distance = site.distance()
    inner = np.argwhere(distance <= max(-3.0, 0.6 * distance.min()))
    place = inner[int(error.numbers[0] * len(inner))]
    centre = np.array([c.ravel()[i] for c, i in zip(site.places, place[::-1], strict=True)])
    return site.mask & ~site.ball(centre, error.between(4.0, 11.0))


def into_muscle(site: Site, error: Error) -> np.ndarray:
    """What muscle a ball of 9 to 22 mm radius holds, on the deep side, in front or behind."""
    way = np.array([-site.outward * error.numbers[0], 2.0 * error.numbers[1] - 1.0, 0.6 * error.numbers[2] - 0.3])
    start = site.nearest_to(site.middle + 60.0 * way / np.linalg.norm(way))
    there = site.ball(start, error.between(9.0, 22.0)) & site.within(MUSCLE)
    return largest_piece(site.mask | there)


def _sector(site: Site, error: Error) -> np.ndarray:
    """Beside the gland, outwards, 8 to 22 mm to each side of some point of it."""
    half = error.between(8.0, 22.0)
    x, y, z = site.places
    _, along, up = site.middle + np.array([0.0, 16.0, 16.0]) * (2.0 * np.array(error.numbers[:3]) - 1.0)
    inner = site.outward * (x - site.middle[0]) > -4.0
    return (np.abs(y - along) < half) & (np.abs(z - up) < half) & inner


def into_skin(site: Site, error: Error) -> np.ndarray:
    """All that lies between gland and skin, with the skin, and up to 4 mm of air."""
    beyond = 4.0 * error.numbers[3]
    return site.mask | (_sector(site, error) & (site.skin < beyond))


def into_bolus(site: Site, error: Error) -> np.ndarray:
    """Bolus of the changed scan, with all that lies between."""
    return site.mask | (_sector(site, error) & (site.skin < 0.0))


def into_jaw(site: Site, error: Error) -> np.ndarray:
    """The bone within 5 to 20 mm."""
    return site.mask | ((site.distance() < error.between(5.0, 20.0)) & site.within(BONE))


def scaled(site: Site, error: Error, *, larger: bool) -> np.ndarray:
    """By 1.1 to 1.45, or 0.92 to 0.62, about its middle."""
    factor = error.between(1.1, 1.45) if larger else error.between(0.92, 0.62)
    transform = sitk.ScaleTransform(3, [1.0 / factor] * 3)
    transform.SetCenter(site.middle.tolist())
    return site.transformed(transform)


def drawn_again(site: Site, error: Error) -> np.ndarray:
    """Moved by up to 1.5 mm, and scaled by up to 3 %."""
    factor = 0.97 + 0.06 * error.numbers[2]
    transform = sitk.AffineTransform(3)
    transform.Scale(1.0 / factor)
    transform.SetCenter(site.middle.tolist())
    transform.SetTranslation((1.5 * error.severity * direction(error.numbers)).tolist())
    return site.transformed(transform)


def smoothed(site: Site, error: Error) -> np.ndarray:
    """By a Gaussian of 4 to 11 mm standard deviation, at the same volume: tips and the deep part are lost."""
    share = sitk.Cast(as_image(site.mask, site.image), sitk.sitkFloat32)
    blurred = sitk.GetArrayFromImage(sitk.SmoothingRecursiveGaussian(share, error.between(4.0, 11.0)))
    return blurred >= np.partition(blurred.ravel(), -site.mask.sum())[-site.mask.sum()]


def submandibular(site: Site, error: Error) -> np.ndarray:
    """Soft tissue below, in front and towards the middle, as large as a submandibular gland."""
    jitter = 6.0 * (2.0 * np.array(error.numbers[:3]) - 1.0)
    centre = site.middle + np.array([-22.0 * site.outward, -33.0, -36.0]) + jitter
    radii = np.array([12.0, 17.0, 15.0]) * (0.85 + 0.3 * error.numbers[3])
    return largest_piece(site.ball(centre, tuple(radii)) & site.within(SOFT))


def masseter(site: Site, error: Error) -> np.ndarray:
    """The muscle in front of the gland, on the outer side of the jaw."""
    jitter = 4.0 * (2.0 * np.array(error.numbers[:3]) - 1.0)
    centre = site.middle + np.array([2.0 * site.outward, -30.0, 0.0]) + jitter
    return largest_piece(site.ball(centre, (12.0, 20.0, 28.0)) & site.within(MUSCLE))


def jaw(site: Site, error: Error) -> np.ndarray:
    """The bone in front of the gland and towards the middle."""
    jitter = 4.0 * (2.0 * np.array(error.numbers[:3]) - 1.0)
    centre = site.middle + np.array([-12.0 * site.outward, -20.0, 0.0]) + jitter
    return largest_piece(site.ball(centre, (20.0, 24.0, 28.0)) & site.within(BONE))


def stray_pieces(site: Site, error: Error) -> np.ndarray:
    """One to three balls of 4 to 10 mm radius elsewhere in the body, 20 to 45 mm off the gland."""
    away, changed = site.distance(), site.mask.copy()
    free = np.argwhere((away > 20.0) & (away < 45.0) & (site.skin < -8.0))
    for number in error.numbers[: round(error.between(1.0, 3.0))]:
        place = free[int(number * len(free))]
        centre = np.array([c.ravel()[i] for c, i in zip(site.places, place[::-1], strict=True)])
        changed |= site.ball(centre, error.between(4.0, 10.0))
    return changed


def on_other_side(site: Site, error: Error) -> np.ndarray:
    """The other gland's contour under this label; the other label is gone."""
    label = 1 if site.outward < 0 else 2
    return sitk.GetArrayFromImage(site.labels) == OTHER[label]


#: kind -> how the contour changes; and those that change both glands in the same way.
KINDS: dict[str, Callable[[Site, Error], np.ndarray]] = {
    "top cut": lambda site, error: cut(site, error, top=True),
    "bottom cut": lambda site, error: cut(site, error, top=False),
    "moved": moved,
    "moved by slices": moved_by_slices,
    "some slices moved": some_slices_moved,
    "slices missing": slices_missing,
    "hole": hole,
    "into muscle": into_muscle,
    "into the skin": into_skin,
    "into bolus": into_bolus,
    "into the jaw": into_jaw,
    "larger": lambda site, error: scaled(site, error, larger=True),
    "smaller": lambda site, error: scaled(site, error, larger=False),
    "smoothed": smoothed,
    "submandibular gland": submandibular,
    "masseter": masseter,
    "jaw": jaw,
    "stray pieces": stray_pieces,
    "on the other side": on_other_side,
    "sides swapped": on_other_side,
    "both moved": moved,
    "drawn again": drawn_again,
}
#: No errors: a contour drawn again, off by about a millimetre, so that what interpolation does to a contour (it smooths
#: it) tells nobody that something was done.
HARMLESS = ("drawn again",)
ON_BOTH = ("sides swapped", "both moved")
WITH_BOLUS = "into bolus"


def drawn_error(kind: str, label: int, generator: np.random.Generator) -> Error:
    """An error of this kind, its severity and places drawn at random."""
    return Error(kind, label, float(generator.uniform()), tuple(generator.uniform(size=NUMBERS).tolist()))


def with_bolus(image: sitk.Image, labels: sitk.Image, error: Error) -> tuple[sitk.Image, sitk.Image]:
    """The scan with a pad on this cheek, 5 to 15 mm thick, and the labels on its voxels."""
    wider = with_margin(image)
    labels = sitk.Resample(labels, wider, sitk.Transform(), sitk.sitkNearestNeighbor, 0)
    site = site_of(wider, labels, error.label)
    array, distance = site.values.astype(np.float32), off_skin(wider)
    x, y, z = site.places
    pad = np.hypot(y - site.middle[1], z - site.middle[2]) < 45.0 + 25.0 * error.numbers[4]
    pad = pad & (site.outward * (x - site.middle[0]) > -10.0)
    value = -40.0 + 90.0 * error.numbers[5]
    array += covered(wider, distance, 0.0, 5.0 + 10.0 * error.numbers[6]) * pad * (value - array)
    return like(wider, array), labels


def site_of(image: sitk.Image, labels: sitk.Image, label: int, skin: np.ndarray | None = None) -> Site:
    """The gland of a label."""
    return Site(image, sitk.GetArrayFromImage(labels) == label, labels, -1.0 if label == 1 else 1.0, skin)


def applied(
    error: Error, image: sitk.Image, labels: sitk.Image, skin: np.ndarray | None = None
) -> tuple[sitk.Image, sitk.Image]:
    """The scan and the label map (LPS order of axes, one grid) after an error; the same each time.

    `skin`: distance from the skin of the scan, mm (z, y, x), where it is known already.
    """
    if error.kind == WITH_BOLUS:
        (image, labels), skin = with_bolus(image, labels, error), None
    before = sitk.GetArrayFromImage(labels)
    changed = before.copy()
    glands = (1, 2) if error.kind in ON_BOTH else (error.label,)
    if error.kind == "on the other side":
        changed[:] = 0
    for label in glands:
        changed[changed == label] = 0
    for label in glands:
        mask = KINDS[error.kind](site_of(image, labels, label, skin), error)
        changed[mask & (changed != OTHER[label])] = label
    if error.kind == "sides swapped":
        changed = np.choose(before, [0, 2, 1]).astype(np.uint8)
    made = sitk.GetImageFromArray(changed)
    made.CopyInformation(labels)
    return image, made
