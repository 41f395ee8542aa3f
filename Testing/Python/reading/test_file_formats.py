"""Formats and files that do not state orientation and spacing are refused, as scans and as label maps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from made_images import like, made_head, values
from sentences import refusal

from ParotidSegLib.errors import ImageError
from ParotidSegLib.reading.formats.file_formats import format_of
from ParotidSegLib.reading.images import read_image
from ParotidSegLib.reading.label_maps import read_labels

READERS = pytest.mark.parametrize("reader", [read_image, read_labels])


@READERS
@pytest.mark.parametrize("ending", ["tif", "vtk", "gipl", "hdf5"])
def test_formats_without_orientation_or_spacing_are_refused(tmp_path: Path, reader, ending: str) -> None:
    sitk.WriteImage(made_head(), str(tmp_path / f"head.{ending}"))
    assert "no image in a format that states orientation and spacing" in refusal(
        ImageError, reader, tmp_path / f"head.{ending}"
    )


@READERS
@pytest.mark.parametrize(("field", "lacks"), [("TransformMatrix", "orientation"), ("ElementSpacing", "voxel spacing")])
@pytest.mark.parametrize("ending", ["mha", "mhd"])
def test_a_metaimage_without_one_of_them_is_refused(
    tmp_path: Path, reader, field: str, lacks: str, ending: str
) -> None:
    path = tmp_path / f"head.{ending}"
    sitk.WriteImage(made_head(), str(path))
    lines = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join(line for line in lines if not line.startswith(field.encode())))
    assert f"states no {lacks}" in refusal(ImageError, reader, path)


@READERS
def test_an_nrrd_without_directions_is_refused(tmp_path: Path, reader) -> None:
    path = tmp_path / "head.nrrd"
    sitk.WriteImage(made_head(), str(path))
    lines = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join(line for line in lines if not line.startswith(b"space directions")))
    assert "states no orientation" in refusal(ImageError, reader, path)


@pytest.mark.parametrize("name", ["head.nii.gz", "head.nii", "head.nrrd", "head.mha"])
def test_the_header_of_a_file_as_others_write_it_is_plain(tmp_path: Path, name: str) -> None:
    for compressed in (False, True):
        sitk.WriteImage(made_head(), str(tmp_path / name), compressed)
        found = format_of(tmp_path / name)
        assert found is not None
        assert found.is_plain


@pytest.mark.parametrize("name", ["head.nhdr", "head.mhd"])
def test_a_header_with_its_voxels_elsewhere_is_read_in_the_other_process(tmp_path: Path, name: str) -> None:
    sitk.WriteImage(made_head(), str(tmp_path / name))
    found = format_of(tmp_path / name)
    assert found is not None
    assert not found.is_plain
    assert np.array_equal(values(read_image(tmp_path / name)), values(made_head()))


def labels_of(head: sitk.Image) -> sitk.Image:
    array = np.zeros(head.GetSize()[::-1], np.uint8)
    array[5:9, 5:9, 5:9] = 1
    return like(head, array)


def with_forms(path: Path, image: sitk.Image, shift: float = 0.0, mirrored: bool = False) -> Path:
    """A NIfTI file whose sform is moved along x by mm, or mirrored, and whose qform is not."""
    import struct

    sitk.WriteImage(image, str(path))
    content = bytearray(path.read_bytes())
    struct.pack_into("<2h", content, 252, 1, 2)
    row = list(struct.unpack_from("<4f", content, 280))
    if mirrored:
        row[3] = row[3] + row[0] * (image.GetWidth() - 1)
        row[0] = -row[0]
    row[3] += shift
    struct.pack_into("<4f", content, 280, *row)
    path.write_bytes(content)
    return path


@READERS
@pytest.mark.parametrize(("shift", "mirrored"), [(0.0, True), (3.0, False), (300.0, False)])
def test_a_nifti_whose_transforms_disagree_is_refused_with_both_named(tmp_path, reader, shift, mirrored) -> None:
    image = made_head() if reader is read_image else labels_of(made_head())
    sentence = refusal(ImageError, reader, with_forms(tmp_path / "head.nii", image, shift, mirrored))
    assert "qform (LPS)" in sentence
    assert f"sform ({'RPS' if mirrored else 'LPS'})" in sentence


@pytest.mark.parametrize(
    "direction", [(0, 1, 0, 0, 0, -1, -1, 0, 0), (0.8, -0.6, 0, 0.6, 0.8, 0, 0, 0, 1), (-1, 0, 0, 0, 1, 0, 0, 0, 1)]
)
def test_a_nifti_whose_transforms_differ_by_rounding_is_read(tmp_path: Path, direction) -> None:
    head = made_head()
    head.SetDirection(direction)
    image = read_image(with_forms(tmp_path / "head.nii", head, 0.01))
    assert image.GetDirection() == pytest.approx(direction, abs=1e-5)


@pytest.mark.data
def test_the_cases_of_formats_and_transforms_are_refused(data_root: Path) -> None:
    cases = data_root / "cases"
    stale = cases / "05_sform_and_qform_disagree" / "stale_qform_sform2.nii.gz"
    assert "qform (LPS) and sform (RPS)" in refusal(ImageError, read_image, stale).replace("qform (LPS)", "qform (LPS)")
    picture = cases / "10_formats_without_orientation" / "ct.tif"
    assert "no image in a format" in refusal(ImageError, read_image, picture)
