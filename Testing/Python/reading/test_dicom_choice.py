"""What counts as a CT series, and as a slice of one; what does not is named in the log."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest
from made_dicom_faults import CAPTURE, PAGE, without_place
from made_images import SERIES_UID, made_head, values, write_dicom_series
from sentences import refusal

from ParotidSegLib.errors import ImageError
from ParotidSegLib.reading.dicom_series import list_series
from ParotidSegLib.reading.images import read_image


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_dicom_series(tmp_path / "study" / "ct", made_head())
    return tmp_path / "study"


def assert_is_head(folder: Path) -> None:
    assert np.array_equal(values(read_image(folder)), values(made_head()))


def pages(folder: Path, count: int = 6, *, uid: str = "2.25.50", tags: dict[str, str] | None = None) -> list[Path]:
    head = made_head((40, 40, count), seed=3)
    return write_dicom_series(folder, head, uid=uid, number=9, tags={"0008|103e": "Dose report", **(tags or PAGE)})


@pytest.mark.parametrize("kind", ["capture", "capture that states a position", "CT without a position", "colour"])
def test_pages_beside_the_ct_are_passed_over_and_named(folder, caplog, kind):
    written = pages(folder / "pages", tags={"0008|103e": "Dose report"} if kind == "CT without a position" else PAGE)
    for path in written:
        if kind in ("capture", "CT without a position"):
            without_place(path)
        if kind == "colour":
            dataset = pydicom.dcmread(path)
            dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PlanarConfiguration = 3, "RGB", 0
            dataset.BitsAllocated = dataset.BitsStored = 8
            dataset.HighBit, dataset.PixelRepresentation = 7, 0
            dataset.PixelData = bytes(40 * 40 * 3)
            dataset.save_as(path)
    assert_is_head(folder)
    assert "Passed over: the series 'Dose report', 6 image(s)" in caplog.text
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert list(list_series(files)) == [SERIES_UID]


def test_pages_alone_are_no_series(folder, tmp_path):
    for path in pages(tmp_path / "alone"):
        without_place(path)
    assert "holds no CT series but localizers or other images (6 of CT)" in refusal(
        ImageError, read_image, tmp_path / "alone"
    )


def test_slices_that_are_captures_by_their_class_alone_are_a_series_where_there_is_no_other(tmp_path):
    for path in write_dicom_series(tmp_path / "ct", made_head()):
        dataset = pydicom.dcmread(path)
        dataset.SOPClassUID = CAPTURE
        dataset.save_as(path)
    assert_is_head(tmp_path)


def test_two_series_of_slices_are_still_asked_for(folder):
    write_dicom_series(folder / "more", made_head(seed=2), uid="2.25.51")
    pages(folder / "pages")
    assert "holds 2 CT series" in refusal(ImageError, read_image, folder)


@pytest.mark.parametrize(
    "kind", ["scout by name", "scout by its direction", "screenshot", "page", "secondary of other size"]
)
def test_strays_within_the_series_of_the_ct_are_passed_over_and_named(folder, caplog, kind):
    head = made_head(seed=3)
    stray = {"screenshot": PAGE, "page": PAGE, "scout by name": {"0008|0008": "ORIGINAL\\PRIMARY\\LOCALIZER"}}
    one = head[:30, :30, 3:4] if kind == "secondary of other size" else head[:, :, 3:4]
    if "scout" in kind:
        one.SetDirection([1, 0, 0, 0, 0, 1, 0, -1, 0])
    tags = stray.get(kind, {"0008|0008": "DERIVED\\SECONDARY\\AXIAL"} if "secondary" in kind else {})
    (path,) = write_dicom_series(folder / "stray", one, tags=tags)
    if kind == "page":
        without_place(path, size=64)
    assert_is_head(folder)
    assert "Passed over: 1 image(s) of the series 'no description'" in caplog.text


def test_a_slice_that_lost_its_position_is_no_page(folder):
    without_place(sorted((folder / "ct").iterdir())[0])
    assert "lack their position" in refusal(ImageError, read_image, folder)


def test_many_turned_images_are_no_strays(folder):
    other = made_head(seed=2)[:, :, :10]
    other.SetDirection([1, 0, 0, 0, 0, 1, 0, -1, 0])
    write_dicom_series(folder / "more", other)
    assert "differ in orientation" in refusal(ImageError, read_image, folder)


def test_a_damaged_file_of_a_series_of_its_own_is_listed_so_that_somebody_hears_of_it(folder):
    files = sorted((folder / "ct").iterdir())
    (folder / "lost").mkdir()
    shutil.copy(files[0], folder / "lost" / "one.dcm")
    content = (folder / "lost" / "one.dcm").read_bytes().replace(SERIES_UID.encode(), b"2.25.1099")
    (folder / "lost" / "one.dcm").write_bytes(content[: int(len(content) * 0.7)])
    assert list_series(sorted(folder.rglob("*.dcm")))["2.25.1099"] == [folder / "lost" / "one.dcm"]


@pytest.mark.data
def test_the_case_of_summary_pages_is_read(data_root, caplog):
    image = read_image(data_root / "cases" / "03_summary_pages_count_as_series" / "study")
    assert image.GetSize() == (68, 66, 58)
    assert "'Exam Summary', 6 image(s)" in caplog.text
