"""Fixtures that several test files share; makes both packages importable from a fresh clone."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
for module_folder in ("ParotidSeg", "ParotidSegTraining"):
    sys.path.insert(0, str(REPOSITORY / module_folder))
# Nothing of the tests is left in the folder for caches of the person who runs them, and nothing there changes a test.
os.environ["PAROTIDSEG_CACHE"] = "off"


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder of real data: PAROTIDSEG_DATA, or shared/data beside the repository; skips where it is absent."""
    folder = Path(os.environ.get("PAROTIDSEG_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"the real data is not at {folder}")
    return folder


@pytest.fixture(scope="session")
def made_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of six made heads in different orientations (made_training.CASES); not to be changed."""
    from made_training import write_dataset

    return write_dataset(tmp_path_factory.mktemp("made") / "dataset")


@pytest.fixture(scope="session")
def tiny_run(made_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run of made_training.tiny_recipe() on made_dataset; not to be changed."""
    pytest.importorskip("tensorflow")
    from made_training import tiny_recipe

    from ParotidSegTrainingLib.data.dataset import DatasetFolder
    from ParotidSegTrainingLib.training.trainer import fit

    return fit(tiny_recipe(), DatasetFolder.open(made_dataset), tmp_path_factory.mktemp("tiny") / "run")


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a sound bundle, to be copied before it is changed: two small residual U-Nets that learnt nothing.

    The weights are random (seeds 1 and 2) and exact in half precision, as those of a bundle are.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    pytest.importorskip("tensorflow")
    from ParotidSegLib.model.bundle import SCHEMA
    from ParotidSegLib.model.networks import build_network
    from ParotidSegLib.structures import PAROTIDS

    folder = tmp_path_factory.mktemp("bundles") / "tiny"
    folder.mkdir()
    networks = {}
    for seed, (role, stem, spacing) in enumerate(
        (("segmenter", "network", (3.0, 1.5, 1.5)), ("locator", "locator", (4.0, 4.0, 4.0))), start=1
    ):
        config = {"filters": [4, 8]}
        model = build_network("residual_unet", tile=(16, 16, 16), config=config)
        rng = np.random.default_rng(seed)
        model.set_weights(
            [rng.normal(0.0, 0.8, w.shape).astype(np.float16).astype(np.float32) for w in model.get_weights()]
        )
        model.save_weights(folder / f"{stem}.weights.h5")
        networks[role] = {
            "network": "residual_unet",
            "config": config,
            "preprocessing": {"spacing": list(spacing)},
            "tile": [16, 16, 16],
            "weights": f"{stem}.weights.h5",
            "mirror": True,
        }
    (folder / "MODEL_CARD.md").write_text("# Tiny\n", encoding="utf-8")
    data = {
        "schema": SCHEMA,
        "name": "tiny",
        "version": "0.0.1",
        "description": "Random weights, for tests.",
        "intended_use": "Tests.",
        "licence": "MIT",
        "structures": [asdict(structure) for structure in PAROTIDS],
        **networks,
        "training": {},
        "validation": {},
        "files": {
            path.name: {"sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "bytes": path.stat().st_size}
            for path in sorted(folder.iterdir())
        },
    }
    (folder / "bundle.json").write_text(json.dumps(data, indent=2), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def sample_ct() -> Path:
    """The CT that ships: an average anatomy, no patient's scan."""
    return REPOSITORY / "ParotidSeg" / "Resources" / "SampleData" / "average_anatomy_ct.nii.gz"


@pytest.fixture(scope="session")
def sample_labels() -> Path:
    """The average contours of the CT that ships."""
    return REPOSITORY / "ParotidSeg" / "Resources" / "SampleData" / "average_anatomy_parotids.seg.nrrd"


@pytest.fixture
def bundle(tiny_bundle: Path, tmp_path: Path) -> Path:
    """A copy of the sound bundle, to be changed."""
    from changed_bundles import copy_of

    return copy_of(tiny_bundle, tmp_path)


@pytest.fixture
def make_job(tmp_path):
    """Makes jobs for scripts, in a folder of their own, and checks in the end that they left nothing."""
    from fake_workers import processes_of, worker

    from ParotidSegLib.in_slicer.worker.job import WorkerJob

    made = []

    def make(script: str, **options) -> WorkerJob:
        job = WorkerJob(worker(script), workdir_parent=tmp_path, **options)
        made.append(job)
        return job

    yield make
    for job in made:
        job.close()
        assert processes_of(job) == []
        assert not job.workdir.exists()
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def canvases(monkeypatch: pytest.MonkeyPatch) -> list:
    """The pictures (Canvas) that are written during a test."""
    from ParotidSegLib.writing.drawing.canvas import Canvas

    saved: list[Canvas] = []
    save = Canvas.save

    def record(canvas: Canvas, path: Path) -> None:
        saved.append(canvas)
        save(canvas, path)

    monkeypatch.setattr(Canvas, "save", record)
    return saved
