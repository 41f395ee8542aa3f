"""What do published networks cost on the same CT? Built from their own packages, with random weights.

In an environment of their own, so that their dependencies stay out of ours:

    python3 -m venv peers
    peers/bin/pip install torch==2.13.0 monai==1.6.1 nnunetv2==2.8.1 dynamic-network-architectures==0.4.4 \\
        TotalSegmentator==2.18.0
    peers/bin/python Testing/Benchmarks/peers.py --ours .venv/bin/python

Runs a few tiles of each network and multiplies by the number of tiles that its own sliding window takes on a scan of
this size; for each, the processor seconds of the network alone. Reading, resampling, importing and writing are left
out, which favours the peers. The weights are random, which changes no operation. With --ours the whole command of this
program is measured in the same run, in turns with the peers.

- MONAI: the U-Net of its tutorial for the spleen (channels 16 to 256, two residual units), 1.5 mm, windows of 96 voxels
  that overlap by a quarter, no mirroring.
- TotalSegmentator, task total, fast: spacing and step as its package states them, no mirroring, 118 classes. Its plan
  comes with its weights; here nnU-Net's planner makes one for this scan at that spacing.
- nnU-Net, 3d_fullres: planned by its planner for a data set of scans like this one, windows that overlap by half,
  mirrored along all three axes, one fold (its default is five), 3 classes.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from Benchmarks.speed.versions import ROOT, run

PROBE = str(ROOT / "Testing" / "Benchmarks" / "speed" / "probe.py")
DATA = Path(os.environ.get("PAROTIDSEG_DATA", ROOT.parent / "shared" / "data"))


@dataclass
class Peer:
    """A network, and how often it runs on a scan.

    Attributes:
        name, packages: for the table.
        network: of torch.
        tile: voxels of its input, (z, y, x).
        tiles: of the scan.
        passes: each tile is seen so often.
        seconds: of the processors, measured, a tile each.
    """

    name: str
    packages: tuple[str, ...]
    network: Any
    tile: tuple[int, ...]
    tiles: int
    passes: int
    seconds: list[float]

    @property
    def whole(self) -> float:
        """Processor seconds of a scan, extrapolated."""
        return statistics.median(self.seconds) * self.tiles * self.passes


def resampled(size: Sequence[int], spacing: Sequence[float], wanted: float) -> tuple[int, ...]:
    """Voxels of the scan at another spacing."""
    return tuple(round(n * s / wanted) for n, s in zip(size, spacing, strict=True))


def monai_unet(size: Sequence[int], spacing: Sequence[float]) -> Peer:
    """Its tiles are counted by the function that its sliding window calls."""
    from monai.data.utils import dense_patch_slices
    from monai.networks.nets import UNet

    roi = (96, 96, 96)
    shape = tuple(max(n, edge) for n, edge in zip(resampled(size, spacing, 1.5), roi, strict=True))
    slices = dense_patch_slices(shape, roi, tuple(int(0.75 * edge) for edge in roi))
    channels, strides = (16, 32, 64, 128, 256), (2, 2, 2, 2)
    network = UNet(3, in_channels=1, out_channels=3, channels=channels, strides=strides, num_res_units=2)
    return Peer("MONAI U-Net, 1.5 mm", ("monai",), network, roi, len(slices), 1, [])


def planned(shape: Sequence[int], spacing: Sequence[float], classes: int) -> tuple[Any, tuple[int, ...]]:
    """The network and the tile that nnU-Net's planner chooses for scans of this shape, (z, y, x)."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
            os.environ[name] = str(Path(folder) / name)
        raw = Path(folder) / "nnUNet_raw" / "Dataset001_Scan"
        prepared = Path(folder) / "nnUNet_preprocessed" / "Dataset001_Scan"
        for place in (raw / "imagesTr", raw / "labelsTr", prepared):
            place.mkdir(parents=True)
        labels = {"background": 0, **{f"structure_{n}": n for n in range(1, classes)}}
        described = {"channel_names": {"0": "CT"}, "labels": labels, "numTraining": 1, "file_ending": ".nii.gz"}
        (raw / "dataset.json").write_text(json.dumps(described), encoding="utf-8")
        (raw / "imagesTr" / "case_0000.nii.gz").touch()
        fingerprint = {"spacings": [list(spacing)], "shapes_after_crop": [list(shape)]}
        fingerprint |= {"median_relative_size_after_cropping": 1.0}
        (prepared / "dataset_fingerprint.json").write_text(json.dumps(fingerprint), encoding="utf-8")
        from nnunetv2 import paths
        from nnunetv2.experiment_planning.experiment_planners import default_experiment_planner as planning
        from nnunetv2.utilities import dataset_name_id_conversion as conversion
        from nnunetv2.utilities.get_network_from_plans import get_network_from_plans

        # The places are read when the package is first imported; each plan has places of its own.
        for module in (paths, planning, conversion):
            for name in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
                if hasattr(module, name):
                    setattr(module, name, os.environ[name])
        planner = planning.ExperimentPlanner("Dataset001_Scan")
        # So many voxels that no limit for small data sets applies.
        plan = planner.get_plans_for_configuration(list(spacing), tuple(shape), "plan", 1e12, {})
    architecture = plan["architecture"]
    network = get_network_from_plans(
        architecture["network_class_name"],
        architecture["arch_kwargs"],
        architecture["_kw_requires_import"],
        1,
        classes,
        deep_supervision=False,
    )
    return network, tuple(int(edge) for edge in plan["patch_size"])


def windows(shape: Sequence[int], tile: Sequence[int], step: float) -> int:
    """Tiles of nnU-Net's sliding window."""
    from nnunetv2.inference.sliding_window_prediction import compute_steps_for_sliding_window

    padded = tuple(max(n, edge) for n, edge in zip(shape, tile, strict=True))
    return math.prod(len(steps) for steps in compute_steps_for_sliding_window(padded, tuple(tile), step))


def total_segmentator(size: Sequence[int], spacing: Sequence[float]) -> Peer:
    """Its fast task."""
    from totalsegmentator.map_tasks_config import TASK_CONFIGS
    from totalsegmentator.map_to_binary import class_map

    settings = TASK_CONFIGS["total"]["sub_modes"]["fast"]
    if "NoMirroring" not in settings["trainer"]:
        raise RuntimeError("this version mirrors its tiles")
    edge = settings["resample"]
    shape = resampled(size, spacing, edge)
    network, tile = planned(shape, (edge, edge, edge), len(class_map["total"]) + 1)
    # 0.8: what its nnunet.py sets for this task.
    tiles = windows(shape, tile, 0.8)
    packages = ("TotalSegmentator", "nnunetv2", "dynamic-network-architectures")
    return Peer(f"TotalSegmentator total, fast, {edge:g} mm", packages, network, tile, tiles, 1, [])


def nnunet(size: Sequence[int], spacing: Sequence[float]) -> Peer:
    """With the settings of its predictor."""
    network, tile = planned(size, spacing, 3)
    packages = ("nnunetv2", "dynamic-network-architectures")
    return Peer("nnU-Net 3d_fullres, one fold", packages, network, tile, windows(size, tile, 0.5), 8, [])


def run_tile(peer: Peer) -> None:
    """One tile, and what it took of the processors."""
    import torch

    values = torch.rand(1, 1, *peer.tile)
    with torch.inference_mode():
        started = time.process_time()
        peer.network(values)
        peer.seconds.append(time.process_time() - started)


def grid_of(ct: Path) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Size and spacing of a DICOM folder or file, (z, y, x)."""
    import SimpleITK as sitk

    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(ct)) if ct.is_dir() else [str(ct)]
    image = sitk.ReadImage(names)
    return image.GetSize()[::-1], image.GetSpacing()[::-1]


def main() -> int:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--ct", type=Path, default=DATA / "clinical_ct" / "head_neck_1")
    arguments.add_argument("--tiles", type=int, default=3, help="of each network, after one that is not counted")
    arguments.add_argument("--ours", metavar="PYTHON", help="the interpreter of an environment with this program")
    arguments.add_argument("--engine", default="openvino")
    options = arguments.parse_args()
    size, spacing = grid_of(options.ct)
    print(f"Scan: {size} voxels of {tuple(round(edge, 2) for edge in spacing)} mm, (z, y, x); {os.cpu_count()} cores")
    peers = [build(size, spacing) for build in (monai_unet, total_segmentator, nnunet)]
    ours: list[float] = []
    for turn in range(options.tiles + 1):
        for peer in peers:
            peer.network.eval()
            run_tile(peer)
            if turn == 0:
                peer.seconds.clear()
        if options.ours:
            command = [PROBE, "cold", str(options.ct), "parotid-ct", options.engine, "1"]
            ours.append(run(command, python=options.ours).cpu)
    whole = statistics.median(ours) if ours else math.nan
    print("| network | packages | tile (z, y, x) | tiles × passes | CPU s a tile | CPU s a scan | of ours |")
    print("|---|---|---|---|---|---|---|")
    for peer in peers:
        packages = ", ".join(f"{name} {version(name)}" for name in peer.packages)
        tile = " × ".join(map(str, peer.tile))
        middle = statistics.median(peer.seconds)
        spread = f"{middle:.2f} ({min(peer.seconds):.2f} to {max(peer.seconds):.2f})"
        times = f"{peer.tiles} × {peer.passes}"
        print(
            f"| {peer.name} | {packages} | {tile} | {times} | {spread} | {peer.whole:.0f} | {peer.whole / whole:.0f} |"
        )
    if ours:
        print(f"ours, whole command, cold, {options.engine}: {whole:.1f} CPU s ({min(ours):.1f} to {max(ours):.1f})")
    print(f"torch {version('torch')}; {options.tiles} tiles of each measured")
    return 0


if __name__ == "__main__":
    sys.exit(main())
