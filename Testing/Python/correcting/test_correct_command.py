"""`parotidseg correct` as a person meets it: files in, files out, one sentence for each mistake."""

from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK as sitk
from made_corrections import array_of, made_scan, slices_of, with_slices

from ParotidSegLib import propagate
from ParotidSegLib.correcting.expected.network import shipped_network
from ParotidSegLib.reading.label_maps import read_labels
from ParotidSegLib.terminal.cli import main
from ParotidSegLib.writing.export import write_segmentation


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A made scan on disk: ct, automatic, corrected, uncertainty; not to be changed."""
    folder = tmp_path_factory.mktemp("scan")
    # As large as a head, which the reader demands.
    scan = made_scan(size=(64, 56, 64))
    numbers = slices_of(scan.wanted, 1)[[4, 13]].tolist()
    corrected = with_slices(scan.automatic, scan.wanted, numbers)
    made = {"ct": scan.image, "automatic": scan.automatic, "corrected": corrected, "uncertainty": scan.uncertainty}
    for name, image in made.items():
        sitk.WriteImage(image, str(folder / f"{name}.nii.gz"))
    write_segmentation(corrected, folder / "corrected.seg.nrrd")
    return folder, scan, corrected, numbers


def run(folder, output, *arguments: object, corrected: object = "corrected.nii.gz") -> int:
    words = ["correct", folder / "ct.nii.gz", "--automatic", folder / "automatic.nii.gz"]
    words += ["--corrected", folder / str(corrected), "--output", output, *arguments]
    return main([str(word) for word in words])


def failure(capsys, *arguments: object, **options: object) -> str:
    """The one sentence of a command that must fail."""
    assert run(*arguments, **options) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.strip().splitlines()
    assert len(lines) == 1
    return lines[0]


@pytest.mark.parametrize("corrected", ["corrected.nii.gz", "corrected.seg.nrrd"])
@pytest.mark.parametrize("suffix", [".nii.gz", ".seg.nrrd"])
def test_the_command_gives_what_python_gives(files, tmp_path, capsys, corrected, suffix):
    folder, scan, drawn, numbers = files
    output = tmp_path / f"result{suffix}"
    uncertainty = folder / "uncertainty.nii.gz"
    assert run(folder, output, "--uncertainty", uncertainty, corrected=corrected) == 0
    expected = propagate(scan.image, scan.automatic, drawn, uncertainty=scan.uncertainty, network=shipped_network())
    assert np.array_equal(array_of(read_labels(output)), array_of(expected.labels))
    assert np.array_equal(array_of(read_labels(output))[numbers], array_of(drawn)[numbers])
    text = capsys.readouterr().out
    assert f"Parotid_R={','.join(map(str, numbers))}" in text
    assert "Parotid_L, next: slice" in text


def test_the_report_says_what_was_done_and_what_comes_next(files, tmp_path):
    folder, _, _, numbers = files
    assert run(folder, tmp_path / "c.nii.gz", "--report", tmp_path / "c.json") == 0
    report = json.loads((tmp_path / "c.json").read_text(encoding="utf-8"))
    assert report["plane"] == "axial"
    assert report["slices"]["Parotid_R"] == numbers
    assert {one["structure"] for one in report["next"]} == {"Parotid_R", "Parotid_L"}


def test_a_second_round_goes_on_with_the_slices_of_the_first(files, tmp_path, capsys):
    folder, scan, _, numbers = files
    first = tmp_path / "first.nii.gz"
    assert run(folder, first) == 0
    more = int(slices_of(scan.wanted, 1)[9])
    drawn = with_slices(read_labels(first), scan.wanted, [more])
    write_segmentation(drawn, tmp_path / "drawn.nii.gz")
    printed = [line.strip() for line in capsys.readouterr().out.splitlines() if line.startswith("  Parotid")]
    again = tmp_path / "second.nii.gz"
    options = ["--previous", first, "--slices", *printed]
    assert run(folder, again, *options, corrected=tmp_path / "drawn.nii.gz") == 0
    result = array_of(read_labels(again))
    for number in (*numbers, more):
        assert np.array_equal(result[number], array_of(drawn)[number])
    assert f"Parotid_R={','.join(map(str, sorted([*numbers, more])))}" in capsys.readouterr().out


def test_a_segmentation_of_a_part_of_the_scan_is_put_in_its_place(files, tmp_path):
    folder, _, drawn, _ = files
    write_segmentation(drawn[6:-5, 4:, 3:-2], tmp_path / "part.seg.nrrd")
    assert run(folder, tmp_path / "a.nii.gz", corrected=tmp_path / "part.seg.nrrd") == 0
    assert run(folder, tmp_path / "b.nii.gz") == 0
    assert np.array_equal(array_of(read_labels(tmp_path / "a.nii.gz")), array_of(read_labels(tmp_path / "b.nii.gz")))


def test_bad_input_gets_one_sentence_and_nothing_is_written(files, tmp_path, capsys):
    folder, _, drawn, _ = files
    moved = sitk.Image(drawn)
    moved.SetOrigin([edge + 1.0 for edge in drawn.GetOrigin()])
    write_segmentation(moved, tmp_path / "moved.nii.gz")
    output = tmp_path / "out" / "c.nii.gz"
    assert "grid of the CT" in failure(capsys, folder, output, corrected=tmp_path / "moved.nii.gz")
    assert "nothing to carry on" in failure(capsys, folder, output, corrected="automatic.nii.gz")
    assert "names no slices" in failure(capsys, folder, output, "--slices", "Parotid_R")
    assert "names no slices" in failure(capsys, folder, output, "--slices", "Parotid_R=1,x")
    assert "no slice 9999" in failure(capsys, folder, output, "--slices", "Parotid_R=9999")
    assert "no file" in failure(capsys, folder, output, corrected="missing.nii.gz")
    assert "percent" in failure(capsys, folder, output, "--uncertainty", folder / "ct.nii.gz")
    assert "let the name end" in failure(capsys, folder, tmp_path / "c.txt")
    assert not output.parent.exists()
    before = (folder / "corrected.nii.gz").read_bytes()
    assert "one of the inputs" in failure(capsys, folder, folder / "corrected.nii.gz")
    assert (folder / "corrected.nii.gz").read_bytes() == before


def test_a_label_map_that_reaches_beyond_the_scan_is_refused(files, tmp_path, capsys):
    _, scan, drawn, _ = files
    sitk.WriteImage(scan.image[:, :, 12:], str(tmp_path / "ct.nii.gz"))
    sitk.WriteImage(sitk.Image(scan.automatic[:, :, 12:]), str(tmp_path / "automatic.nii.gz"))
    low = array_of(drawn)
    low[5, 20:24, 20:24] = 1
    image = sitk.GetImageFromArray(low)
    image.CopyInformation(drawn)
    write_segmentation(image, tmp_path / "low.nii.gz")
    assert "beyond the scan" in failure(capsys, tmp_path, tmp_path / "c.nii.gz", corrected="low.nii.gz")
