"""The command line as a person meets it: exit codes, one sentence for each mistake, no debris."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from made_images import cut_short, like, made_head, write_dicom_series

from ParotidSegLib.errors import EngineError
from ParotidSegLib.terminal.cli import main

REPOSITORY = Path(__file__).resolve().parents[3]
pytestmark = pytest.mark.engine


def files_below(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def failure(capsys, *arguments: object) -> str:
    """Run a command that must fail; its one sentence on the standard error."""
    code = main(["segment", *map(str, arguments), "--progress", "none"])
    captured = capsys.readouterr()
    assert code == 1
    assert captured.out == ""
    lines = captured.err.strip().splitlines()
    assert len(lines) == 1, captured.err
    assert lines[0].startswith("parotidseg: ")
    assert "Traceback" not in lines[0]
    return lines[0]


def damaged_inputs(folder: Path) -> dict[str, Path]:
    """Every kind of input that cannot be segmented, by name."""
    head = made_head(size=(60, 60, 40))
    array = sitk.GetArrayFromImage(head)
    made = {
        name: folder / f"{name}.nii.gz" for name in ("missing", "truncated", "mri", "single_slice", "four_d", "rgb")
    }
    sitk.WriteImage(head, str(made["truncated"]))
    cut_short(made["truncated"])
    rng = np.random.default_rng(3)
    sitk.WriteImage(like(head, rng.integers(0, 900, array.shape).astype(np.int16)), str(made["mri"]))
    sitk.WriteImage(head[:, :, :1], str(made["single_slice"]))
    sitk.WriteImage(sitk.JoinSeries([head, head]), str(made["four_d"]))
    channels = [sitk.Cast(sitk.RescaleIntensity(head), sitk.sitkUInt8)] * 3
    sitk.WriteImage(sitk.Compose(channels), str(made["rgb"]))
    made["nan"] = folder / "nan.nrrd"
    with_nan = array.astype(np.float32)
    with_nan[3, 4, 5] = np.nan
    sitk.WriteImage(like(head, with_nan), str(made["nan"]))
    made["not_hu"] = folder / "not_hu.nrrd"
    sitk.WriteImage(like(head, (array.astype(np.int32) + 1024).astype(np.int16)), str(made["not_hu"]))
    made["no_head"] = folder / "no_head.nrrd"
    sitk.WriteImage(head, str(made["no_head"]))
    made["empty"] = folder / "empty.nii.gz"
    made["empty"].touch()
    made["text"] = folder / "text.nrrd"
    made["text"].write_text("not an image", encoding="utf-8")
    made["no_dicom"] = folder / "no_dicom"
    made["no_dicom"].mkdir()
    (made["no_dicom"] / "notes.txt").write_text("nothing", encoding="utf-8")
    made["two_series"] = folder / "two_series"
    write_dicom_series(made["two_series"] / "a", head, uid="2.25.1", number=1)
    write_dicom_series(made["two_series"] / "b", head, uid="2.25.2", number=2)
    made["missing_slice"] = folder / "missing_slice"
    write_dicom_series(made["missing_slice"], head)[17].unlink()
    made["gantry_tilt"] = folder / "gantry_tilt"
    write_dicom_series(made["gantry_tilt"], head, shift=lambda index: (0.0, 1.5 * index, 0.0))
    return made


@pytest.fixture(scope="module")
def damaged(tmp_path_factory) -> dict[str, Path]:
    return damaged_inputs(tmp_path_factory.mktemp("damaged"))


KINDS = [
    "missing",
    "truncated",
    "mri",
    "single_slice",
    "four_d",
    "rgb",
    "nan",
    "not_hu",
    "no_head",
    "empty",
    "text",
    "no_dicom",
    "two_series",
    "missing_slice",
    "gantry_tilt",
]


@pytest.mark.parametrize("kind", KINDS)
def test_an_input_that_cannot_be_segmented_gets_one_sentence_and_leaves_no_file(kind, damaged, tmp_path, capsys):
    failure(capsys, damaged[kind], "--output", tmp_path / "out")
    assert files_below(tmp_path) == []


def test_two_series_are_listed_with_the_way_to_choose_one(damaged, tmp_path, capsys):
    assert "--series" in failure(capsys, damaged["two_series"], "--output", tmp_path / "out")


def test_an_output_folder_that_cannot_be_written_is_named_before_the_work(tmp_path, sample_ct, capsys):
    blocker = tmp_path / "file"
    blocker.write_text("in the way", encoding="utf-8")
    text = failure(capsys, sample_ct, "--output", blocker / "out")
    assert "is a file, not a folder" in text
    assert files_below(tmp_path) == ["file"]


def test_an_unknown_suffix_is_refused_before_the_work(tmp_path, sample_ct, capsys):
    text = failure(capsys, sample_ct, "--output", tmp_path / "glands.dcm")
    assert ".seg.nrrd" in text
    assert files_below(tmp_path) == []


def test_a_full_disk_gets_one_sentence_and_leaves_no_file(tmp_path, sample_ct):
    """A limit on the size of files fails writes the way a full disk does."""

    def small_files_only() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))

    finished = subprocess.run(
        _command(sample_ct, tmp_path / "out"),
        check=False,
        capture_output=True,
        text=True,
        preexec_fn=small_files_only,
        env=_environment(),
    )
    assert finished.returncode == 1
    last = json.loads(finished.stdout.splitlines()[-1])
    assert last["stage"] == "error"
    assert "parotids.seg.nrrd" in last["message"]
    assert "Traceback" not in finished.stderr
    assert files_below(tmp_path) == []


def _command(source: Path, output: Path) -> list[str]:
    return [
        sys.executable,
        "-m",
        "ParotidSegLib",
        "segment",
        str(source),
        "--output",
        str(output),
        "--progress",
        "json",
    ]


def _environment() -> dict[str, str]:
    # Compiled files are not what the limit on sizes is meant for.
    return {**os.environ, "PYTHONPATH": str(REPOSITORY / "ParotidSeg"), "PYTHONDONTWRITEBYTECODE": "1"}


@pytest.fixture
def ctrl_c_works() -> Iterator[None]:
    """Tests that run in the background have Ctrl-C ignored, and a child would inherit that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c_works")
@pytest.mark.parametrize("stage", ["locate", "restore", "write"])
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_killed_run_leaves_no_half_written_file(stage, how, tmp_path, sample_ct):
    process = subprocess.Popen(
        _command(sample_ct, tmp_path / "out"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=_environment(),
    )
    assert process.stdout
    for line in process.stdout:
        if json.loads(line)["stage"] == stage:
            process.send_signal(how)
            break
    process.communicate(timeout=60)
    assert process.returncode != 0 or stage == "write"  # the last write may be done before the signal arrives
    visible = [name for name in files_below(tmp_path) if not any(part.startswith(".") for part in name.split("/"))]
    whole = ["out", "out/parotids.png", "out/parotids.seg.nrrd", "out/report.json"]
    assert visible in ([], ["out"], whole)
    if how != signal.SIGKILL:
        assert files_below(tmp_path) in ([], whole)


def test_the_sample_gets_labels_picture_and_report(tmp_path, sample_ct, capsys):
    assert main(["segment", str(sample_ct), "--output", str(tmp_path / "Ärzte 頭")]) == 0
    assert files_below(tmp_path / "Ärzte 頭") == ["parotids.png", "parotids.seg.nrrd", "report.json"]
    out = capsys.readouterr().out
    assert "Right parotid gland" in out
    assert "Left parotid gland" in out
    assert "mL" in out
    report = json.loads((tmp_path / "Ärzte 頭" / "report.json").read_text(encoding="utf-8"))
    assert set(report["structures"]) == {"Parotid_R", "Parotid_L"}


def test_a_named_file_gets_its_picture_beside_it_and_a_report_where_asked_for(tmp_path, sample_ct):
    arguments = ["--output", str(tmp_path / "glands.nii.gz"), "--report", str(tmp_path / "r" / "all.json")]
    assert main(["segment", str(sample_ct), *arguments, "--progress", "none"]) == 0
    assert files_below(tmp_path) == ["glands.nii.gz", "glands.png", "r", "r/all.json"]


def test_no_preview_draws_no_picture(tmp_path, sample_ct):
    target = tmp_path / "glands.nrrd"
    assert (
        main(["segment", str(sample_ct), "-o", str(target), "--no-preview", "--no-mirror", "--progress", "none"]) == 0
    )
    assert files_below(tmp_path) == ["glands.nrrd"]


def test_json_progress_is_one_object_a_line_and_ends_with_the_result(tmp_path, sample_ct, capsys):
    assert main(["segment", str(sample_ct), "--output", str(tmp_path), "--progress", "json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert all({"stage", "fraction", "message"} <= set(line) for line in lines)
    assert lines[-1]["stage"] == "result"
    assert lines[-1]["report"]["structures"]["Parotid_L"]["volume_ml"] > 10.0
    assert all(Path(file).is_file() for file in lines[-1]["files"])


def test_several_inputs_get_numbered_folders_and_a_failure_does_not_stop_the_rest(tmp_path, sample_ct, damaged, capsys):
    out = tmp_path / "out"
    code = main(["segment", str(damaged["empty"]), str(sample_ct), "--output", str(out), "--no-preview"])
    assert code == 1
    assert files_below(out) == ["002", "002/parotids.seg.nrrd", "002/report.json", "scans.json"]
    assert "parotidseg: " in capsys.readouterr().err
    named = json.loads((out / "scans.json").read_text(encoding="utf-8"))["scans"]
    assert {number: entry["scan"] for number, entry in named.items()} == {
        "001": str(damaged["empty"]),
        "002": str(sample_ct),
    }


def test_options_for_one_scan_are_refused_with_several(tmp_path, sample_ct, capsys):
    assert main(["segment", str(sample_ct), str(sample_ct), "-o", str(tmp_path), "--report", "r.json"]) == 2
    assert "several inputs" in capsys.readouterr().err


def test_a_file_as_output_of_several_inputs_is_wrong_use(tmp_path, sample_ct, capsys):
    assert main(["segment", str(sample_ct), str(sample_ct), "-o", str(tmp_path / "glands.nii.gz")]) == 2
    assert "must be a folder" in capsys.readouterr().err
    assert files_below(tmp_path) == []


def test_wrong_use_exits_with_2(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["segment"])
    assert stopped.value.code == 2
    assert "--output" in capsys.readouterr().err


def test_a_damaged_bundle_gets_one_sentence(tmp_path, sample_ct, capsys):
    bundle = tmp_path / "bundle"
    shutil.copytree(REPOSITORY / "ParotidSeg" / "ParotidSegLib" / "bundles" / "parotid-ct", bundle)
    weights = bundle / "network.weights.h5"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 0xFF
    weights.write_bytes(content)
    text = failure(capsys, sample_ct, "--output", tmp_path / "out", "--bundle", bundle)
    assert "SHA-256" in text
    assert not (tmp_path / "out").exists()


def test_the_bundles_that_ship_are_listed(capsys):
    assert main(["bundles"]) == 0
    assert "parotid-ct" in capsys.readouterr().out


def run(*arguments: str, code: str = "", module: str = "ParotidSegLib.terminal.cli", **options) -> subprocess.Popen:
    """A command line in a process of its own, after some code."""
    modules = [str(REPOSITORY / name) for name in ("ParotidSeg", "ParotidSegTraining")]
    script = f"import sys; sys.path[:0] = {modules!r}\n{code}\n"
    script += f"from {module} import main\nsys.exit(main({list(arguments)!r}))"
    return subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE, text=True, **options)


@pytest.mark.parametrize(
    ("module", "command"), [("ParotidSegLib.terminal.cli", "bundles"), ("ParotidSegTrainingLib.cli", "recipes")]
)
def test_a_reader_that_goes_away_ends_the_command_without_a_traceback(module, command):
    reading, writing = os.pipe()
    os.close(reading)
    process = run(command, module=module, stdout=writing)
    os.close(writing)
    assert process.communicate(timeout=60)[1] == ""
    assert process.returncode == 1


def test_what_the_characters_of_the_terminal_cannot_show_is_spelled():
    code = "from ParotidSegLib.model import bundle; bundle.shipped_bundles = lambda: print('\\u7d50 done') or []"
    process = run("bundles", code=code, stdout=subprocess.PIPE, env={**os.environ, "PYTHONIOENCODING": "cp1252"})
    assert process.communicate(timeout=60) == ("\\u7d50 done\n", "")
    assert process.returncode == 0


def test_the_input_is_not_touched(tmp_path, sample_ct):
    copy = tmp_path / "scan.nii.gz"
    shutil.copy(sample_ct, copy)
    before, changed = copy.read_bytes(), copy.stat().st_mtime_ns
    time.sleep(0.01)
    assert main(["segment", str(copy), "--output", str(tmp_path / "out"), "--progress", "none"]) == 0
    assert copy.read_bytes() == before
    assert copy.stat().st_mtime_ns == changed


@pytest.mark.parametrize(("device", "hidden"), [("cpu", "-1"), ("auto", None)])
def test_the_device_cpu_hides_graphics_cards_before_an_engine_loads(device, hidden, tmp_path, sample_ct, monkeypatch):
    # `setenv` first, so that what the command sets is taken back after the test.
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    seen = []

    def open_model(*_, **__):
        seen.append(os.environ.get("CUDA_VISIBLE_DEVICES"))
        raise EngineError("The engine is not needed here.")

    monkeypatch.setattr("ParotidSegLib.segmentation.open_model", open_model)
    main(["segment", str(sample_ct), "--output", str(tmp_path / "out"), "--device", device, "--progress", "none"])
    assert seen == [hidden]


def test_where_the_model_is_unsure_is_written_beside_the_output_if_asked_for(sample_ct, tmp_path):
    arguments = ["segment", str(sample_ct), "--no-preview", "--no-mirror", "--progress", "none"]
    assert main([*arguments, "--output", str(tmp_path / "a.nii.gz"), "--uncertainty"]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"a.nii.gz", "a.uncertainty.nrrd"}
    labels, unsure = (sitk.ReadImage(str(path)) for path in sorted(tmp_path.iterdir()))
    assert labels.GetSize() == unsure.GetSize()
    assert (unsure.GetPixelID(), sitk.GetArrayViewFromImage(unsure).max() > 50) == (sitk.sitkUInt8, True)
