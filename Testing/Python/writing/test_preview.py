"""The preview shows the right gland at the picture's left, whatever the orientation in which a scan is stored."""

from __future__ import annotations

import gc
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from ParotidSegLib.errors import OutputError
from ParotidSegLib.structures import LEFT_PAROTID, RIGHT_PAROTID, Structure
from ParotidSegLib.writing.drawing.canvas import Canvas
from ParotidSegLib.writing.preview import PANELS, SIZE, draw_preview

#: Centre and radii in mm (LPS x, y, z) of the phantom's parts; the head's middle lies far from the scanner's.
MIDDLE = np.array([40.0, -210.0, -500.0])
HEAD = ((0.0, 0.0, 0.0), (75.0, 95.0, 85.0))
RIGHT_GLAND = ((-57.0, 8.0, -20.0), (10.0, 20.0, 28.0))
LEFT_GLAND = ((57.0, 8.0, -20.0), (8.0, 16.0, 28.0))
#: A block of bone in front, on the right: it shows how the image itself is turned.
BONE = ((-30.0, -60.0, -20.0), (10.0, 10.0, 40.0))
EMPTY = "empty: no voxel has this label"
MM_PER_PIXEL = 0.5


def inside(part: tuple[tuple[float, ...], tuple[float, ...]], points: np.ndarray) -> np.ndarray:
    """Which of the points (n, 3), relative to the head's middle, lie in an ellipsoid."""
    centre, radii = part
    return np.sum(((points - np.array(centre)) / np.array(radii)) ** 2, axis=1) < 1.0


def a_phantom(angle: float = 0.0, *, right: bool = True, left: bool = True) -> tuple[sitk.Image, sitk.Image]:
    """A head of soft tissue with two glands, sampled on a grid turned by `angle` about an oblique axis."""
    size, spacing = (70, 80, 62), (2.5, 2.75, 3.25)
    rotation = sitk.VersorTransform((1.0, 0.5, 2.0), angle).GetMatrix()
    direction = np.array(rotation).reshape(3, 3)
    origin = MIDDLE - direction @ (np.array(spacing) * (np.array(size) - 1) / 2.0)
    z, y, x = np.meshgrid(*(np.arange(n) for n in reversed(size)), indexing="ij")
    indices = np.stack([x.ravel(), y.ravel(), z.ravel()], axis=1)
    points = indices * np.array(spacing) @ direction.T + origin - MIDDLE
    hounsfield = np.full(len(points), -1000, np.int16)
    hounsfield[inside(HEAD, points)] = 20
    hounsfield[inside(BONE, points)] = 1200
    labels = np.zeros(len(points), np.uint8)
    labels[inside(RIGHT_GLAND, points) & right] = RIGHT_PAROTID.label
    labels[inside(LEFT_GLAND, points) & left] = LEFT_PAROTID.label
    images = []
    for values in (hounsfield, labels):
        image = sitk.GetImageFromArray(values.reshape(x.shape))
        image.SetSpacing(spacing)
        image.SetOrigin(origin.tolist())
        image.SetDirection(rotation)
        images.append(image)
    return images[0], images[1]


def pixels(path: Path) -> np.ndarray:
    """The PNG as uint8 (rows, columns, RGB)."""
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))[..., :3]


def panel(picture: np.ndarray, name: str) -> np.ndarray:
    left, top, width, height = PANELS[name]
    return picture[top : top + height, left : left + width]


def drawn_in(part: np.ndarray, structure: Structure) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the pixels in the structure's colour."""
    difference = np.abs(part.astype(int) - np.array(structure.colour)).max(axis=-1)
    return np.nonzero(difference < 30)


def draw(folder: Path, images: tuple[sitk.Image, sitk.Image], **options: str) -> np.ndarray:
    return pixels(draw_preview(*images, folder / "preview.png", **options))


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    """The phantom, stored as a scanner does."""
    return draw(tmp_path_factory.mktemp("preview"), a_phantom())


def texts(canvas: Canvas) -> list[str]:
    return [text for text, _, _ in canvas.texts]


def test_the_picture_has_the_size_that_is_promised(picture: np.ndarray) -> None:
    assert picture.shape == (SIZE[1], SIZE[0], 3)


@pytest.mark.parametrize("name", PANELS)
def test_the_right_gland_lies_at_the_pictures_left(picture: np.ndarray, name: str) -> None:
    part = panel(picture, name)
    middle = part.shape[1] / 2
    _, right_columns = drawn_in(part, RIGHT_PAROTID)
    _, left_columns = drawn_in(part, LEFT_PAROTID)
    assert len(right_columns) > 50 and right_columns.max() < middle
    assert len(left_columns) > 50 and left_columns.min() > middle


@pytest.mark.parametrize("name", ["axial 1", "axial 2", "axial 3"])
def test_a_bone_in_front_on_the_right_is_at_the_upper_left_of_axial_views(picture: np.ndarray, name: str) -> None:
    part = panel(picture, name)
    bone = part[60:460, 60:460].min(axis=-1) > 250
    assert bone[:200, :200].sum() > 500
    assert bone[:, 210:].sum() == 0 and bone[210:, :].sum() < 0.01 * bone.sum()


@pytest.mark.parametrize("orientation", ["RAS", "SPR", "AIL", "PLI"])
def test_the_stored_orientation_changes_nothing(tmp_path: Path, picture: np.ndarray, orientation: str) -> None:
    image, labels = (sitk.DICOMOrient(stored, orientation) for stored in a_phantom())
    turned = draw(tmp_path, (image, labels))
    assert np.abs(turned.astype(int) - picture).max() <= 16
    assert np.mean(turned != picture) < 1e-3


@pytest.mark.parametrize("name", ["axial 2", "coronal"])
def test_an_oblique_scan_shows_the_same_contours(tmp_path: Path, picture: np.ndarray, name: str) -> None:
    part = panel(draw(tmp_path, a_phantom(angle=0.4)), name)
    for structure in (RIGHT_PAROTID, LEFT_PAROTID):
        for found, expected in zip(drawn_in(part, structure), drawn_in(panel(picture, name), structure), strict=True):
            # Voxels of some 3 mm are 6 pixels.
            assert abs((found.max() + found.min()) - (expected.max() + expected.min())) / 2 < 4
            assert abs(np.ptp(found) - np.ptp(expected)) < 8


@pytest.mark.parametrize(
    ("structure", "radii"), [(RIGHT_PAROTID, RIGHT_GLAND[1]), (LEFT_PAROTID, LEFT_GLAND[1])], ids=["right", "left"]
)
def test_millimetres_have_the_same_length_along_every_axis(
    picture: np.ndarray, structure: Structure, radii: tuple[float, float, float]
) -> None:
    y, x = drawn_in(panel(picture, "axial 2"), structure)
    z, x_again = drawn_in(panel(picture, "coronal"), structure)
    for found, radius in ((x, radii[0]), (y, radii[1]), (x_again, radii[0]), (z, radii[2])):
        assert np.ptp(found) * MM_PER_PIXEL == pytest.approx(2 * radius, abs=4.0)


def test_the_slices_cut_the_glands_at_a_quarter_a_half_and_three_quarters(picture: np.ndarray) -> None:
    widths = [np.ptp(drawn_in(panel(picture, f"axial {number}"), RIGHT_PAROTID)[0]) for number in (1, 2, 3)]
    at_a_quarter = math.sqrt(1 - 0.5**2) * 2 * RIGHT_GLAND[1][1] / MM_PER_PIXEL
    assert widths[0] == pytest.approx(at_a_quarter, abs=7)
    assert widths[2] == pytest.approx(at_a_quarter, abs=7)
    assert widths[1] > max(widths[0], widths[2])


def test_the_letters_stand_at_the_sides_they_name(tmp_path: Path, canvases: list[Canvas]) -> None:
    draw(tmp_path, a_phantom())
    places = {"R": (0, 0.5), "L": (1, 0.5), "A": (0.5, 0), "P": (0.5, 1), "S": (0.5, 0), "I": (0.5, 1)}
    expected = ["RLAP", "RLAP", "RLAP", "RLSI"]
    for (left, top, width, height), letters in zip(PANELS.values(), expected, strict=True):
        within = {
            text: ((x - left) / width, (y - top) / height)
            for text, x, y in canvases[0].texts
            if len(text) == 1 and 0 <= x - left <= width and 0 <= y - top <= height
        }
        assert set(within) - set("123") == set(letters)
        for letter in letters:
            assert within[letter] == pytest.approx(places[letter], abs=0.06)


def test_volumes_and_positions_are_written_out(tmp_path: Path, canvases: list[Canvas]) -> None:
    image, labels = a_phantom()
    draw(tmp_path, (image, labels))
    array = sitk.GetArrayFromImage(labels)
    voxel = math.prod(labels.GetSpacing()) / 1000.0
    notes = texts(canvases[0])
    heights = MIDDLE[2] + RIGHT_GLAND[0][2]
    for structure in (RIGHT_PAROTID, LEFT_PAROTID):
        after = notes[notes.index(structure.name) + 1]
        assert after == f"{np.sum(array == structure.label) * voxel:.1f} mL"
    middle = next(caption for caption in notes if caption.startswith("2   Axial"))
    assert float(middle.split("= ")[1].removesuffix(" mm").replace("\N{MINUS SIGN}", "-")) == pytest.approx(
        heights, abs=3
    )


@pytest.mark.parametrize(("shown", "missing"), [(RIGHT_PAROTID, LEFT_PAROTID), (LEFT_PAROTID, RIGHT_PAROTID)])
def test_a_missing_gland_is_named_and_the_head_stays_in_the_middle(
    tmp_path: Path, canvases: list[Canvas], shown: Structure, missing: Structure
) -> None:
    images = a_phantom(right=shown is RIGHT_PAROTID, left=shown is LEFT_PAROTID)
    part = panel(draw(tmp_path, images), "axial 2")
    notes = texts(canvases[0])
    assert notes[notes.index(missing.name) + 1] == EMPTY
    assert notes[notes.index(shown.name) + 1].endswith(" mL")
    assert len(drawn_in(part, shown)[0]) > 50
    assert len(drawn_in(part, missing)[0]) == 0
    tissue = np.nonzero(part[120:400, 40:480].min(axis=-1) > 100)[1] + 40
    assert (tissue.min() + tissue.max()) / 2 == pytest.approx(260, abs=8)


def test_a_scan_without_glands_is_shown_and_says_so(tmp_path: Path, canvases: list[Canvas]) -> None:
    part = panel(draw(tmp_path, a_phantom(right=False, left=False)), "axial 2")
    assert texts(canvases[0]).count(EMPTY) == 2
    assert part.min(axis=-1)[260, 260] > 80, "the head is not in the view"
    for structure in (RIGHT_PAROTID, LEFT_PAROTID):
        assert len(drawn_in(part, structure)[0]) == 0


def test_a_gland_that_the_end_of_the_scan_cuts_keeps_a_closed_contour(tmp_path: Path) -> None:
    image, labels = (stored[:, :, :25] for stored in a_phantom())
    assert sitk.GetArrayViewFromImage(labels)[-1].any(), "the phantom's glands must reach the last slice"
    part = panel(draw(tmp_path, (image, labels)), "coronal")
    rows, columns = drawn_in(part, RIGHT_PAROTID)
    in_the_middle = rows[np.abs(columns - (columns.min() + columns.max()) / 2) < 2]
    assert in_the_middle.min() < rows.min() + 4
    assert in_the_middle.max() > rows.max() - 4


def test_a_title_is_taken_literally_and_kept_short(tmp_path: Path, canvases: list[Canvas]) -> None:
    draw(tmp_path, a_phantom(), title="$x_1 " + "a_very_long_word" * 20)
    notes = texts(canvases[0])
    beside = notes[notes.index(next(note for note in notes if note.startswith("$x_1"))) :]
    assert beside.index(RIGHT_PAROTID.name) <= 4


def test_nothing_of_the_scans_metadata_gets_into_the_picture(tmp_path: Path, canvases: list[Canvas]) -> None:
    image, labels = a_phantom()
    image.SetMetaData("0010|0010", "DOE^JANE")
    path = draw_preview(image, labels, tmp_path / "preview.png")
    assert not any("DOE" in text for text in texts(canvases[0]))
    assert b"DOE" not in path.read_bytes()


def test_another_suffix_than_png_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"\.png"):
        draw_preview(*a_phantom(), tmp_path / "preview.jpg")
    assert list(tmp_path.iterdir()) == []


def test_a_failing_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write_half(canvas: Canvas, path: Path) -> None:
        path.write_bytes(b"half a picture")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Canvas, "save", write_half)
    with pytest.raises(OutputError):
        draw_preview(*a_phantom(), tmp_path / "preview.png")
    assert list(tmp_path.iterdir()) == []


def test_matplotlib_is_never_loaded_and_pillow_late(tmp_path: Path) -> None:
    """It takes longer to load than the picture takes."""
    script = f"""
import sys
sys.path.insert(0, {str(Path(sys.modules["ParotidSegLib"].__path__[0]).parent)!r})
import SimpleITK as sitk
from ParotidSegLib.writing.preview import draw_preview
assert "PIL" not in sys.modules, "loaded on import"
image = sitk.Image((8, 8, 8), sitk.sitkInt16)
draw_preview(image, sitk.Image((8, 8, 8), sitk.sitkUInt8), {str(tmp_path / "preview.png")!r})
assert "PIL" in sys.modules and "matplotlib" not in sys.modules
"""
    finished = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is asked of Linux")
def test_many_pictures_take_no_more_memory_than_one(tmp_path: Path) -> None:
    def megabytes() -> float:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

    images = a_phantom()
    draw_preview(*images, tmp_path / "preview.png")
    gc.collect()
    gc.disable()  # what is freed only by a search for circles may stay for long
    try:
        draw_preview(*images, tmp_path / "preview.png")
        before = megabytes()
        for _ in range(6):
            draw_preview(*images, tmp_path / "preview.png")
        assert megabytes() - before < 6 * 4.0  # a picture has 7 MB of pixels
    finally:
        gc.enable()
