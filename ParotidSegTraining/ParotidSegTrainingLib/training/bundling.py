"""From finished runs to a bundle that `parotidseg segment` and the Slicer panel run as it is."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
from collections.abc import Collection, Mapping
from dataclasses import asdict
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from ParotidSegLib.errors import DataError, OutputError
from ParotidSegLib.files.atomic import atomic_path
from ParotidSegLib.files.debris import temporary_folder
from ParotidSegLib.files.json_text import parse_json
from ParotidSegLib.model.bundle import SCHEMA, Bundle, load_bundle, shipped_bundles
from ParotidSegLib.model.networks import build_network
from ParotidSegLib.structures import PAROTIDS
from ParotidSegLib.writing.export import write_json

from .. import recipe as recipes
from ..recipe import Recipe
from .checkpoints import UNFIT, load_weights
from .mixture import Mixture

INTENDED_USE = (
    "Draft contours of the parotid glands in head-and-neck CT of adults, for review and correction by a clinician; "
    "for research. Not a medical device, not for use without review, not for other modalities, children, or patients "
    "after parotidectomy."
)
OTHER_USE = "Draft contours for review and correction by a trained person; for research. Not a medical device."
CARD = "MODEL_CARD.md"


def make_bundle(
    output: Path,
    *,
    name: str,
    version: str,
    segmenter_run: Path,
    locator_run: Path | None,
    choice: str,
    training: Mapping[str, Any],
    description: str,
    licence: str = "MIT",
    mixed_with: Mixture | None = None,
) -> Path:
    """Write a bundle from a segmenter's and, for the parotid glands, a locator's run folder.

    Weights are stored in half precision: half the size, and both engines start from the very same numbers. If OpenVINO
    is installed, its models are added. An old bundle at `output` is replaced only when the new one is whole and loads;
    its validation figures and its model card go with it, since they tell of other weights (`record_validation`).
    Anything else that lies there stays.

    Args:
        output: folder of the bundle.
        name, version, description, licence: of the bundle.
        segmenter_run: run folder of `trainer.fit`.
        locator_run: that of the network that finds the glands, or a bundle (name, folder or zip) whose locator is
            taken over as it is; None if the segmenter is to look at all of a scan.
        choice: which weights of the segmenter: "hybrid", "best_dice" or "last".
        training: what is said about the data.
        mixed_with: weights that take part in the segmenter's.

    Returns:
        The folder.

    Raises:
        DataError: a run folder has no such weights, or is damaged; or the weights to mix with are of another network.
        BundleError: what was written is no valid bundle (its version, for instance, is not of the form 1.2.3).
        OutputError: the folder cannot be written, or holds something else than a bundle.
    """
    _require_free(output)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with temporary_folder(output.parent, ".bundle-") as temporary:
            folder = temporary / output.name
            folder.mkdir()
            networks: dict[str, Any] = {"locator": None}
            networks["segmenter"] = _export_network(folder, segmenter_run, "segmenter", choice, mixed_with)
            if locator_run is not None and _is_bundle(locator_run):
                networks["locator"] = _take_locator(folder, load_bundle(str(locator_run)))
            elif locator_run is not None:
                networks["locator"] = _export_network(folder, locator_run, "locator", "last")
            segmenter = recipes.load(str(segmenter_run / "recipe.json"))
            data = {
                "schema": SCHEMA,
                "name": name,
                "version": version,
                "description": description,
                "intended_use": INTENDED_USE if segmenter.structures == PAROTIDS else OTHER_USE,
                "licence": licence,
                "structures": [_json_ready(asdict(structure)) for structure in segmenter.structures],
                **networks,
                "training": {
                    **training,
                    "weights": choice,
                    "epochs": _finished_epochs(segmenter_run),
                    **({"mixed_with": mixed_with.described()} if mixed_with else {}),
                },
                "validation": {},
                "files": _hashes(folder),
            }
            write_json(data, folder / "bundle.json")
            load_bundle(folder)
            _put_in_place(folder, output, temporary / "old")
    except OSError as error:
        raise OutputError(f"The bundle {output} cannot be written: {error.strerror or error}.") from error
    return output


def _require_free(output: Path) -> None:
    """Raise an OutputError if there is anything but a bundle or an empty folder."""
    is_free = not output.exists() or (output.is_dir() and not any(output.iterdir()))
    if not is_free and not (output / "bundle.json").is_file():
        raise OutputError(f"{output} is no bundle, and nothing else is replaced: choose another name.")


def _put_in_place(folder: Path, output: Path, old: Path) -> None:
    """Rename the new folder to `output`; the one that was there goes to `old`, and comes back if that fails."""
    replaces = output.exists()
    if replaces:
        os.replace(output, old)
    try:
        os.replace(folder, output)
    except OSError:
        if replaces:
            os.replace(old, output)
        raise


def record_validation(
    bundle: Path, validation: Mapping[str, Any], card: str, pictures: Mapping[str, bytes] | None = None
) -> None:
    """Write validation figures and the model card into a bundle; its weights stay as they are.

    Args:
        bundle: folder of the bundle.
        validation: the figures.
        card: text of the model card, Markdown.
        pictures: the PNG files that the card shows, by name; those of the card before go with it.

    Raises:
        OutputError: a file cannot be written.
    """
    shown = pictures or {}
    names = parse_json((bundle / "bundle.json").read_text(encoding="utf-8"))["files"]
    old = [name for name in names if name == CARD or name.endswith(".png")]
    exchange_files(bundle, {**shown, CARD: card.encode("utf-8")}, old=old, fields={"validation": dict(validation)})


def exchange_files(
    bundle: Path,
    contents: Mapping[str, bytes],
    *,
    old: Collection[str] = (),
    fields: Mapping[str, Mapping[str, Any]] | None = None,
) -> None:
    """Put files into a bundle, with their hashes; the rest of it stays as it is.

    While they are exchanged the bundle has neither the old ones nor the new, and it loads, whatever ends this.

    Args:
        bundle: folder of the bundle.
        contents: the new files, by name.
        old: names of files that go; those of `contents` go in any case.
        fields: fields of bundle.json that belong to the files: empty meanwhile.

    Raises:
        OutputError: a file cannot be written or removed.
    """
    data = parse_json((bundle / "bundle.json").read_text(encoding="utf-8"))
    fields = fields or {}
    files = {name: entry for name, entry in data["files"].items() if name not in {*old, *contents}}
    if files != data["files"]:
        write_json({**data, **{field: {} for field in fields}, "files": files}, bundle / "bundle.json")
    try:
        for name in set(old) - set(contents):
            (bundle / name).unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"An old file in the bundle {bundle} cannot be removed: {error.strerror}.") from error
    for name, content in contents.items():
        with atomic_path(bundle / name) as temporary:
            temporary.write_bytes(content)
    files |= {name: _hash(bundle / name) for name in contents}
    write_json({**data, **fields, "files": files}, bundle / "bundle.json")


def _export_network(folder: Path, run: Path, role: str, choice: str, mixture: Mixture | None = None) -> dict[str, Any]:
    source = run / f"{choice}.weights.h5"
    if not source.is_file():
        raise DataError(f"The run {run} has no weights '{choice}'; it has to finish an epoch first.")
    recipe = recipes.load(str(run / "recipe.json"))
    model = build_network(recipe.network, tile=recipe.tile, config=recipe.network_arguments)
    try:
        load_weights(model, source)
    except UNFIT as error:
        raise DataError(
            f"The weights '{choice}' of the run {run} are damaged or of another network: choose others with --weights, "
            "or another run."
        ) from error
    if mixture:
        mixture.into(model)
    model.set_weights([weight.astype(np.float16).astype(np.float32) for weight in model.get_weights()])
    stem = {"segmenter": "network", "locator": "locator"}[role]
    model.save_weights(folder / f"{stem}.weights.h5")
    _halve(folder / f"{stem}.weights.h5")
    described = _describe(recipe, f"{stem}.weights.h5")
    if importlib.util.find_spec("openvino"):
        described["openvino"] = f"openvino/{stem}.xml"
        _export_openvino(model, folder / described["openvino"])
    return described


def _is_bundle(path: Path) -> bool:
    """Whether a path is no run folder but the name, the folder or the zip of a bundle."""
    return str(path) in shipped_bundles() or path.is_file() or (path / "bundle.json").is_file()


def _take_locator(folder: Path, bundle: Bundle) -> dict[str, Any]:
    """Copy the locator of a bundle, which is verified: its weights, and its OpenVINO model if there is one."""
    spec = bundle.locator
    if spec is None:
        raise DataError(f"The bundle '{bundle.name}' has no locator: name another one, or a run.")
    names = {spec.weights: "locator.weights.h5"}
    described = {**_json_ready(asdict(spec)), "weights": "locator.weights.h5"}
    if spec.openvino:
        described["openvino"] = "openvino/locator.xml"
        for suffix in (".xml", ".bin"):
            names[str(PurePosixPath(spec.openvino).with_suffix(suffix))] = f"openvino/locator{suffix}"
    else:
        del described["openvino"]
    for source, target in names.items():
        (folder / target).parent.mkdir(exist_ok=True)
        (folder / target).write_bytes(bundle.read(source))
    return described


def _describe(recipe: Recipe, weights: str) -> dict[str, Any]:
    return {
        "network": recipe.network,
        "config": recipe.network_arguments,
        "preprocessing": _json_ready(asdict(recipe.preprocessing)),
        "tile": list(recipe.tile),
        "mirror": recipe.mirrors,
        "weights": weights,
        "recipe": recipe.name,
    }


def _halve(path: Path) -> None:
    """Store the float32 arrays of an HDF5 file as float16."""
    import h5py

    halved = path.with_suffix(".half")
    with h5py.File(path, "r") as source, h5py.File(halved, "w") as target:

        def copy(name: str, item: Any) -> None:
            if isinstance(item, h5py.Group):
                copied: Any = target.require_group(name)
            else:
                array = item[()]
                halves = array.astype(np.float16) if array.dtype == np.float32 else array
                copied = target.create_dataset(name, data=halves)
            for key, value in item.attrs.items():
                copied.attrs[key] = value

        source.visititems(copy)
        for key, value in source.attrs.items():
            target.attrs[key] = value
    os.replace(halved, path)


def _export_openvino(model: Any, path: Path) -> None:
    import openvino
    import tensorflow
    from openvino.tools.ovc import convert_model

    shape = (1, *model.input_shape[1:])
    signature = tensorflow.TensorSpec(shape, tensorflow.float32, name="image")
    # A function of one tensor: called as OpenVINO would call it, a Keras model warns about the form of its input.
    function = tensorflow.function(model, input_signature=[signature])
    converted = convert_model(function, example_input=np.zeros(shape, np.float32))
    path.parent.mkdir(exist_ok=True)
    openvino.save_model(converted, path, compress_to_fp16=True)


def _hashes(folder: Path) -> dict[str, dict[str, Any]]:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "bundle.json")
    return {path.relative_to(folder).as_posix(): _hash(path) for path in files}


def _hash(path: Path) -> dict[str, Any]:
    return {"sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "bytes": path.stat().st_size}


def _finished_epochs(run: Path) -> int:
    state = run / "state.json"
    if not state.is_file():
        raise DataError(f"The run {run} has no state.json; it has to finish an epoch first.")
    try:
        return int(parse_json(state.read_text(encoding="utf-8"))["epoch"])
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"The state.json of the run {run} is damaged: choose another run.") from error


def _json_ready(data: Any) -> Any:
    return json.loads(json.dumps(data))
