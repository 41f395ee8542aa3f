"""Images that are no CT of a whole head: other modalities, single slices and pictures, where they are asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk
from made_images import made_head, write_dicom_series, write_multiframe
from sentences import refusal

from ParotidSegLib.errors import ImageError
from ParotidSegLib.reading.images import read_image


def test_a_single_dicom_slice_is_read_where_a_slice_suffices(tmp_path: Path) -> None:
    write_dicom_series(tmp_path, made_head())
    path = sorted(tmp_path.iterdir())[4]
    image = read_image(path, whole_head=False)
    assert image.GetSize()[2] == 1
    assert image.GetPixelID() == sitk.sitkInt16


def test_a_picture_is_a_slice_with_pixels_of_one_millimetre(tmp_path: Path) -> None:
    array = np.arange(48, dtype=np.uint8).reshape(6, 8)
    sitk.WriteImage(sitk.GetImageFromArray(array), str(tmp_path / "slice.png"))
    image = read_image(tmp_path / "slice.png", modality="OT", whole_head=False)
    assert (image.GetSize(), image.GetSpacing()) == ((8, 6, 1), (1.0, 1.0, 1.0))
    np.testing.assert_array_equal(sitk.GetArrayViewFromImage(image)[0], array)
    assert "single slice" in refusal(ImageError, read_image, tmp_path / "slice.png")


def test_a_picture_in_colour_is_refused(tmp_path: Path) -> None:
    colour = sitk.GetImageFromArray(np.zeros((6, 8, 3), np.uint8), isVector=True)
    sitk.WriteImage(colour, str(tmp_path / "slice.png"))
    message = refusal(ImageError, read_image, tmp_path / "slice.png", modality="OT", whole_head=False)
    assert "3 values in each voxel" in message


def test_another_modality_is_read_where_it_is_asked_for(tmp_path: Path) -> None:
    write_multiframe(tmp_path / "head.dcm", made_head(), tags={"0008|0060": "MR"})
    assert read_image(tmp_path / "head.dcm", modality="MR").GetSize() == made_head().GetSize()
    assert "give a PT" in refusal(ImageError, read_image, tmp_path / "head.dcm", modality="PT")


def test_hounsfield_units_are_asked_of_a_ct_alone(tmp_path: Path) -> None:
    image = sitk.Cast(made_head(), sitk.sitkFloat32) * 0.001 + 2.0
    sitk.WriteImage(image, str(tmp_path / "map.nii.gz"))
    assert read_image(tmp_path / "map.nii.gz", modality="MR").GetPixelID() == sitk.sitkFloat32
    assert "HU" in refusal(ImageError, read_image, tmp_path / "map.nii.gz", whole_head=False)
