"""A slice that cannot be read is missed, of whatever modality; another object in the folder is not."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_images import cut_short, made_head, write_dicom_series, write_dicom_without_pixels
from sentences import refusal

from ParotidSegLib.errors import ImageError
from ParotidSegLib.reading.dicom.header import read_header
from ParotidSegLib.reading.dicom.pixels import read_pixels
from ParotidSegLib.reading.dicom_series import list_series
from ParotidSegLib.reading.images import read_image

CLASSES = {"CT": "1.2.840.10008.5.1.4.1.1.2", "MR": "1.2.840.10008.5.1.4.1.1.4", "PT": "1.2.840.10008.5.1.4.1.1.128"}
MODALITIES = pytest.mark.parametrize("modality", CLASSES)


def series(folder: Path, modality: str) -> list[Path]:
    return write_dicom_series(folder, made_head(), tags={"0008|0016": CLASSES[modality], "0008|0060": modality})


@MODALITIES
@pytest.mark.parametrize("wanted_as", ["its own", "any"])
def test_a_slice_cut_short_within_its_header_is_missed_at_the_end_of_a_series(tmp_path, modality, wanted_as):
    wanted = modality if wanted_as == "its own" else "OT"
    files = series(tmp_path, modality)
    assert read_image(tmp_path, modality=wanted, whole_head=False).GetDepth() == 20
    cut_short(files[-1], 0.1)
    assert f"1 DICOM {wanted} file" in refusal(ImageError, read_image, tmp_path, modality=wanted, whole_head=False)


@MODALITIES
def test_it_is_listed_with_the_series_of_its_folder(tmp_path, modality):
    files = series(tmp_path, modality)
    cut_short(files[-1], 0.1)
    assert list_series(files, modality) == {"2.25.1001": sorted(files)}


@MODALITIES
def test_contours_and_damaged_images_of_another_modality_are_passed_over(tmp_path, modality):
    series(tmp_path, modality)
    write_dicom_without_pixels(tmp_path / "contours.dcm")
    for other in CLASSES.keys() - {modality}:
        write_dicom_without_pixels(tmp_path / f"{other}.dcm", sop_class=CLASSES[other])
    assert read_image(tmp_path, modality=modality, whole_head=False).GetDepth() == 20


@pytest.mark.parametrize(
    "change", [lambda content: content[:-2], lambda content: content + b"\0\0"], ids=["cut", "longer"]
)
def test_a_file_that_changes_between_its_header_and_its_pixels_is_refused(tmp_path, change):
    path = write_dicom_series(tmp_path, made_head())[0]
    header = read_header(path, "CT")
    assert read_pixels([(header, 0)]).GetSize()[2] == 1
    path.write_bytes(change(path.read_bytes()))
    assert "damaged" in refusal(ImageError, read_pixels, [(header, 0)])
