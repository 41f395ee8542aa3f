"""Changes of a scan as other days, other rooms and other hospitals make them, each laid out in patient space.

They are drawn on the scan's own voxels by code of their own, not by that of the training augmentation
(`ParotidSegTrainingLib.training.surroundings`): a network must not be judged by the very drawings that it learned from.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

AIR = -1024
#: Room that is made around a scan for things beside it, mm.
MARGIN_MM = 30.0


@dataclass(frozen=True)
class Site:
    """Where the glands are: their middles, (x, y, z) in mm, LPS."""

    right: np.ndarray
    left: np.ndarray

    @property
    def middle(self) -> np.ndarray:
        """Between the two."""
        return (self.right + self.left) / 2.0


#: (scan in LPS order of axes, where its glands are, random numbers) -> the changed scan
Change = Callable[[sitk.Image, Site, np.random.Generator], sitk.Image]


def like(image: sitk.Image, array: np.ndarray) -> sitk.Image:
    """An int16 image on the voxels of another one; array: (z, y, x) in HU."""
    changed = sitk.GetImageFromArray(np.clip(np.rint(array), AIR, 3071).astype(np.int16))
    changed.CopyInformation(image)
    return changed


def body_of(image: sitk.Image) -> sitk.Image:
    """uint8, 1 in the patient: the largest piece above −300 HU, without holes in a slice."""
    radius = [int(2.0 / step) for step in image.GetSpacing()[:2]]
    body = sitk.BinaryMorphologicalOpening(image > -300, [*radius, 0])
    body = sitk.RelabelComponent(sitk.ConnectedComponent(body), sortByObjectSize=True) == 1
    planes = sitk.GetArrayFromImage(body)
    filled = np.stack([sitk.GetArrayFromImage(sitk.BinaryFillhole(sitk.GetImageFromArray(plane))) for plane in planes])
    result = sitk.GetImageFromArray(filled)
    result.CopyInformation(image)
    return result


def with_margin(image: sitk.Image) -> sitk.Image:
    """The scan with air around it, to both sides, in front and behind."""
    voxels = [*(int(np.ceil(MARGIN_MM / step)) for step in image.GetSpacing()[:2]), 0]
    lowest = float(sitk.GetArrayViewFromImage(image).min())
    return sitk.ConstantPad(image, voxels, voxels, lowest)


def off_skin(image: sitk.Image) -> np.ndarray:
    """Distance of each voxel's middle from the skin, mm, (z, y, x); negative in the body."""
    distance = sitk.SignedMaurerDistanceMap(body_of(image), squaredDistance=False, useImageSpacing=True)
    return sitk.GetArrayFromImage(distance) - image.GetSpacing()[0] / 2.0


def coordinates(image: sitk.Image) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x, y and z of the voxels in mm, ready to be broadcast to (z, y, x); for axes in LPS order."""
    size, step = image.GetSize(), image.GetSpacing()
    x, y, z = (o + np.arange(n) * s for o, n, s in zip(image.GetOrigin(), size, step, strict=True))
    return x[None, None, :], y[None, :, None], z[:, None, None]


def covered(image: sitk.Image, distance: np.ndarray, gap: float, thickness: float) -> np.ndarray:
    """What share of each voxel a layer on the skin takes, by the place of its faces within the voxel."""
    step = image.GetSpacing()[0]
    outer = np.clip((gap + thickness - distance) / step + 0.5, 0.0, 1.0)
    inner = np.clip((distance - gap) / step + 0.5, 0.0, 1.0) if gap else 1.0
    return outer * inner * (distance > 0.0)


def bolus(hounsfield: tuple[float, float], thickness: tuple[float, float], gap: tuple[float, float]) -> Change:
    """A round pad on each cheek, over the gland: one material, value, thickness and gap drawn within these bounds."""

    def change(image: sitk.Image, site: Site, rng: np.random.Generator) -> sitk.Image:
        image = with_margin(image)
        array, distance = sitk.GetArrayFromImage(image).astype(np.float32), off_skin(image)
        x, y, z = coordinates(image)
        value, thick, between = rng.uniform(*hounsfield), rng.uniform(*thickness), rng.uniform(*gap)
        for middle, side in ((site.right, -1.0), (site.left, 1.0)):
            shift, radius = rng.uniform(-12.0, 12.0, 2), rng.uniform(45.0, 75.0)
            pad = np.hypot(y - middle[1] - shift[0], z - middle[2] - shift[1]) < radius
            pad = pad & (side * (x - site.middle[0]) > 20.0)
            share = covered(image, distance, between, thick) * pad
            array += share * (value + rng.normal(0.0, 5.0, array.shape) - array)
        return like(image, array)

    return change


def masked(image: sitk.Image, site: Site, rng: np.random.Generator) -> sitk.Image:
    """A thermoplastic mask 2.5 mm thick, 2 mm off the skin."""
    image = with_margin(image)
    array = sitk.GetArrayFromImage(image).astype(np.float32)
    array += covered(image, off_skin(image), 2.0, 2.5) * (80.0 - array)
    return like(image, array)


def on_couch(image: sitk.Image, site: Site, rng: np.random.Generator) -> sitk.Image:
    """A hollow couch with two walls behind the patient, and a headrest that reaches to the ears."""
    image = with_margin(image)
    array, distance = sitk.GetArrayFromImage(image).astype(np.float32), off_skin(image)
    _, y, _ = coordinates(image)
    cup = covered(image, distance, 1.0, 5.0) * (y > site.middle[1] + 15.0)
    array += cup * (50.0 - array)
    back = float(np.broadcast_to(y, distance.shape)[distance < 0.0].max())
    for start, height, value in ((8.0, 4.0, 150.0), (12.0, 12.0, -900.0), (24.0, 4.0, 150.0)):
        array[np.broadcast_to((y > back + start) & (y <= back + start + height), array.shape)] = value
    return like(image, array)


def emptied(image: sitk.Image, site: Site, rng: np.random.Generator) -> sitk.Image:
    """Nothing but air outside the patient, as in the training data."""
    return sitk.Mask(image, body_of(image), AIR)


def narrowed(depth: float) -> Change:
    """A field of view that ends this many mm below the skin of both cheeks, beside the middle of each gland."""

    def change(image: sitk.Image, site: Site, rng: np.random.Generator) -> sitk.Image:
        x, y, z = coordinates(image)
        body, across = off_skin(image) < 0.0, x.ravel()

        def cheek(middle: np.ndarray) -> np.ndarray:
            beside = body & (np.abs(y - middle[1]) < 6.0) & (np.abs(z - middle[2]) < 6.0)
            return across[beside.any(axis=(0, 1))]

        first, last = cheek(site.right).min() + depth, cheek(site.left).max() - depth
        kept = np.flatnonzero((across >= first) & (across <= last))
        return image[int(kept[0]) : int(kept[-1]) + 1, :, :]

    return change


def cut_short(share: float) -> Change:
    """Without the lowest (below 0) or the uppermost (above 0) share of the slices."""

    def change(image: sitk.Image, site: Site, rng: np.random.Generator) -> sitk.Image:
        count = image.GetSize()[2]
        lost = round(abs(share) * count)
        return image[:, :, lost:] if share < 0 else image[:, :, : count - lost]

    return change


def ended(*, above: bool) -> Change:
    """A scan of what lies above the middle of the glands, or below it."""

    def change(image: sitk.Image, site: Site, rng: np.random.Generator) -> sitk.Image:
        index = round(image.TransformPhysicalPointToContinuousIndex(site.middle.tolist())[2])
        index = min(max(index, 1), image.GetSize()[2] - 1)
        return image[:, :, index:] if above else image[:, :, :index]

    return change


def streaked(amplitude: float) -> Change:
    """Bright and dark rays of up to this many HU from two fillings in front of and below the glands, 12 mm high."""

    def change(image: sitk.Image, site: Site, rng: np.random.Generator) -> sitk.Image:
        array = sitk.GetArrayFromImage(image).astype(np.float32)
        body = sitk.GetArrayFromImage(body_of(image))
        x, y, z = coordinates(image)
        teeth = site.middle + np.array([0.0, -55.0, -15.0])
        for side in (-22.0, 22.0):
            dx, dy = x - teeth[0] - side, y - teeth[1]
            angle, distance = np.arctan2(dy, dx), np.hypot(dx, dy)
            rays = sum(np.cos(order * angle + rng.uniform(0, 2 * np.pi)) for order in (7, 11, 17, 23)) / 2.0
            array += amplitude * rays * np.exp(-distance / 60.0) * np.exp(-0.5 * ((z - teeth[2]) / 6.0) ** 2) * body
        return like(image, array)

    return change


def noisy(deviation: float) -> Change:
    """White noise of this many HU."""

    def change(image: sitk.Image, site: Site, rng: np.random.Generator) -> sitk.Image:
        array = sitk.GetArrayFromImage(image)
        return like(image, array + rng.normal(0.0, deviation, array.shape))

    return change


def toned(gain: float, offset: float) -> Change:
    """Contrast of the tissues about 40 HU, and all values moved."""

    def change(image: sitk.Image, site: Site, rng: np.random.Generator) -> sitk.Image:
        array = sitk.GetArrayFromImage(image).astype(np.float32)
        tissue = array > -300
        array[tissue] = 40.0 + gain * (array[tissue] - 40.0)
        return like(image, array + offset)

    return change


def filtered(sharpness: float) -> Change:
    """A sharper kernel (above 0: so much of the fine detail is added), or a smoother one (below 0: 2 mm in plane)."""

    def change(image: sitk.Image, site: Site, rng: np.random.Generator) -> sitk.Image:
        width = 2.0 if sharpness < 0 else image.GetSpacing()[0]
        dull = sitk.Cast(image, sitk.sitkFloat32)
        for axis in (0, 1):
            dull = sitk.RecursiveGaussian(dull, width, direction=axis)
        array, smooth = sitk.GetArrayFromImage(image).astype(np.float32), sitk.GetArrayFromImage(dull)
        return like(image, array + sharpness * (array - smooth))

    return change


def resampled(spacing: tuple[float, float, float] | None = None, thickness: float | None = None) -> Change:
    """Voxels of these edges in mm (x, y, z), or slices of this thickness; finer detail is smoothed away first."""

    def change(image: sitk.Image, site: Site, rng: np.random.Generator) -> sitk.Image:
        new = np.array(spacing or (*image.GetSpacing()[:2], thickness))
        smooth = sitk.Cast(image, sitk.sitkFloat32)
        for axis, old in enumerate(image.GetSpacing()):
            if new[axis] > old:
                smooth = sitk.RecursiveGaussian(smooth, 0.4 * np.sqrt(new[axis] ** 2 - old**2), direction=axis)
        size = np.maximum(1, np.array(image.GetSize()) * image.GetSpacing() // new).astype(int)
        middle = image.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2.0 for n in image.GetSize()])
        origin = np.array(middle) - np.reshape(image.GetDirection(), (3, 3)) @ (new * (size - 1) / 2.0)
        grid = (origin.tolist(), new.tolist(), image.GetDirection())
        values = sitk.Resample(smooth, size.tolist(), sitk.Transform(), sitk.sitkLinear, *grid, float(AIR))
        return like(values, sitk.GetArrayViewFromImage(values))

    return change


def turned(degrees: float) -> Change:
    """The patient turned about a random axis through the middle of the glands: the same voxels, another orientation."""

    def change(image: sitk.Image, site: Site, rng: np.random.Generator) -> sitk.Image:
        axis = rng.standard_normal(3)
        turn = sitk.VersorTransform((axis / np.linalg.norm(axis)).tolist(), float(np.radians(degrees)))
        turn.SetCenter(site.middle.tolist())
        result = sitk.Image(image)
        matrix = np.reshape(turn.GetMatrix(), (3, 3)) @ np.reshape(image.GetDirection(), (3, 3))
        result.SetDirection(matrix.ravel().tolist())
        result.SetOrigin(turn.TransformPoint(image.GetOrigin()))
        return result

    return change


def misscaled(factor: float) -> Change:
    """A scan whose voxels are said to be larger or smaller than they are: a head of another size."""

    def change(image: sitk.Image, site: Site, rng: np.random.Generator) -> sitk.Image:
        result = sitk.Image(image)
        result.SetSpacing([factor * step for step in image.GetSpacing()])
        return result

    return change


def stored_otherwise(image: sitk.Image, site: Site, rng: np.random.Generator) -> sitk.Image:
    """The same scan with its axes in another order, two of them backwards."""
    return sitk.Flip(sitk.PermuteAxes(image, [2, 0, 1]), [True, False, True])


CHANGES: dict[str, Change] = {
    "bolus in contact, −50 to −15 HU, 10 to 20 mm": bolus((-50.0, -15.0), (10.0, 20.0), (0.0, 0.0)),
    "bolus in contact, −60 to 60 HU, 3 to 20 mm": bolus((-60.0, 60.0), (3.0, 20.0), (0.0, 0.0)),
    "bolus, gap of 1 to 3 mm": bolus((-60.0, 60.0), (3.0, 20.0), (1.0, 3.0)),
    "field cut 4 mm into both cheeks": narrowed(4.0),
    "field cut 8 mm into both cheeks": narrowed(8.0),
    "field cut 16 mm into both cheeks": narrowed(16.0),
    "mask on the face": masked,
    "headrest and couch": on_couch,
    "streaks of 100 HU": streaked(100.0),
    "streaks of 300 HU": streaked(300.0),
    "noise of 20 HU": noisy(20.0),
    "noise of 40 HU": noisy(40.0),
    "contrast of tissues 1.2": toned(1.2, 0.0),
    "sharp kernel": filtered(1.0),
    "smooth kernel": filtered(-1.0),
    "+30 HU": toned(1.0, 30.0),
    "−30 HU": toned(1.0, -30.0),
    "slices of 1 mm": resampled(thickness=1.0),
    "slices of 5 mm": resampled(thickness=5.0),
    "turned by 10°": turned(10.0),
    "turned by 25°": turned(25.0),
    "stored otherwise": stored_otherwise,
    "wrong voxels, head 0.75 as large": misscaled(0.75),
    "wrong voxels, head 1.3 as large": misscaled(1.3),
    "scan ends at the middle of the glands": ended(above=False),
    "scan begins at the middle of the glands": ended(above=True),
}
#: For one scan at full resolution: its own contour is the reference.
FULL_RESOLUTION: dict[str, Change] = {
    **{f"voxels of {edge} mm": resampled((edge, edge, edge)) for edge in (1.0, 2.0, 3.0, 4.0)},
    "streaks of 200 HU": streaked(200.0),
    "streaks of 600 HU": streaked(600.0),
    "background emptied": emptied,
    "without the lowest fifth": cut_short(-0.2),
    "without the uppermost fifth": cut_short(0.2),
}
