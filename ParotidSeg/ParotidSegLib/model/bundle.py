"""A trained model on disk: a folder, or a zip of it, that is read without trusting it.

    bundle.json             what it is: schema, name, version, structures, networks, how it was trained, SHA-256
    network.weights.h5      weights of the segmenting network
    locator.weights.h5      weights of the network that finds the glands on the whole scan (optional)
    openvino/*.xml, *.bin   the same networks for the OpenVINO engine (optional)
    MODEL_CARD.md

A bundle brings weights and numbers, never code: the networks are built from our own registry. Schema, paths, kinds of
file, sizes and hashes are checked before a byte of weights is interpreted.
"""

from __future__ import annotations

import hashlib
import lzma
import os
import re
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from ..errors import BundleError
from ..files.fields import from_data
from ..files.json_text import parse_json
from ..structures import PAROTID_GLAND, PAROTIDS, Structure, check_structures, mirrored_labels
from .preprocessing import Preprocessing

SCHEMA = 2
#: Kinds of file that a bundle may hold; everything else (pickles, whole-model files, code) is refused.
ALLOWED_SUFFIXES = (".weights.h5", ".xml", ".bin", ".md", ".png")
LARGEST_FILE = 512 * 2**20
LARGEST_TILE = 2**24
_HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"


@dataclass(frozen=True)
class NetworkSpec:
    """One network of a bundle.

    Attributes:
        network: name in the registry of networks.
        config: keyword arguments of that network.
        preprocessing: grid and intensities of its input.
        tile: size of its input in voxels, (z, y, x); a network with tiles of one slice is two-dimensional.
        mirror: whether it learnt from mirror images too, so that it may be asked about one.
        weights: name of its weights file in the bundle.
        openvino: name of its OpenVINO model (.xml) in the bundle, or None.
    """

    network: str
    config: Mapping[str, Any]
    preprocessing: Preprocessing
    tile: tuple[int, int, int]
    weights: str
    openvino: str | None = None
    mirror: bool = True


@dataclass(frozen=True)
class Bundle:
    """A verified bundle.

    Attributes:
        path: its folder or zip.
        name, version, description, intended_use, licence: as bundle.json says.
        sha256: hash of bundle.json, which holds the hashes of all files: it names the exact model.
        structures: what it segments, in label order.
        locator: the network that finds them on the whole scan; None if the segmenter looks at all of it.
        segmenter: the network that draws them.
        training, validation: how it was trained and how it did, as bundle.json says.
        files: SHA-256 and size of each file.
    """

    path: Path
    name: str
    version: str
    description: str
    intended_use: str
    licence: str
    sha256: str
    structures: tuple[Structure, ...]
    locator: NetworkSpec | None
    segmenter: NetworkSpec
    training: Mapping[str, Any]
    validation: Mapping[str, Any]
    files: Mapping[str, tuple[str, int]]

    @property
    def needs_whole_head(self) -> bool:
        """Whether it is for scans of a head, so that a few slices would not do."""
        return self.structures == PAROTIDS

    def read(self, name: str) -> bytes:
        """The content of a file of the bundle; BundleError if it is not the one that bundle.json describes."""
        sha256, size = self.files[name]
        content = _read(self.path, name, size)
        if hashlib.sha256(content).hexdigest() != sha256:
            raise BundleError(
                f"The file {name} of the bundle '{self.name}' is damaged or was changed (its SHA-256 differs); "
                "install the bundle again."
            )
        if name.endswith(".weights.h5") and not content.startswith(_HDF5_MAGIC):
            raise BundleError(f"The file {name} of the bundle '{self.name}' is no HDF5 file of weights.")
        return content


def bundles_folder() -> Path:
    """The folder of the bundles that ship."""
    return Path(__file__).resolve().parents[1] / "bundles"


def shipped_bundles() -> list[str]:
    """Names of the bundles that ship."""
    return sorted(path.parent.name for path in bundles_folder().glob("*/bundle.json"))


def load_bundle(name_or_path: str | Path = "parotid-ct") -> Bundle:
    """Read and verify a bundle that ships, by its name, or any other, by its folder or zip.

    Raises:
        BundleError: it is missing, incomplete, damaged, of an unknown schema, or holds what a bundle may not hold.
    """
    shipped = shipped_bundles()
    # A name means the bundle that ships, whatever lies in the current folder.
    path = bundles_folder() / name_or_path if name_or_path in shipped else Path(name_or_path)
    if not os.path.exists(path):
        raise BundleError(
            f"There is no bundle {_shown(name_or_path)}: give the name of one that ships ({', '.join(shipped)}), "
            "a folder or a zip."
        )
    text = _read(path, "bundle.json", 2**20)
    try:
        data = parse_json(text)
    except (ValueError, RecursionError) as error:
        raise BundleError(f"The bundle.json of {path.name} is not valid JSON.") from error
    bundle = _parse(path, data, hashlib.sha256(text).hexdigest())
    for file in bundle.files:
        bundle.read(file)
    return bundle


def _parse(path: Path, data: Any, sha256: str) -> Bundle:
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        found = data.get("schema") if isinstance(data, dict) else None
        raise BundleError(
            f"The bundle {path.name} has the schema {_shown(found)}; this version of ParotidSeg reads {SCHEMA}."
        )
    try:
        files = {name: (str(entry["sha256"]), int(entry["bytes"])) for name, entry in data["files"].items()}
        for name, (_, size) in files.items():
            _check_file(name, size)
        bundle = Bundle(
            path=path,
            name=_text(data, "name"),
            version=_text(data, "version"),
            description=_text(data, "description"),
            intended_use=_text(data, "intended_use"),
            licence=_text(data, "licence"),
            sha256=sha256,
            structures=tuple(from_data(Structure, entry, "structures.") for entry in data["structures"]),
            locator=_parse_network(data["locator"], files) if data["locator"] is not None else None,
            segmenter=_parse_network(data["segmenter"], files),
            training=dict(data["training"]),
            validation=dict(data["validation"]),
            files=files,
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise BundleError(f"The bundle.json of {path.name} is incomplete or malformed ({_shown(error)}).") from error
    _check_structures(path, bundle)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", bundle.name):
        raise BundleError(
            f"The name {_shown(bundle.name)} of the bundle {path.name} is not made of letters and digits."
        )
    if not re.fullmatch(r"[0-9]+\.[0-9]+\.[0-9]+", bundle.version):
        raise BundleError(f"The version {_shown(bundle.version)} of the bundle {path.name} is not of the form 1.2.3.")
    return bundle


def _check_structures(path: Path, bundle: Bundle) -> None:
    of_parotids = all(structure.type == PAROTID_GLAND for structure in bundle.structures)
    if of_parotids and bundle.structures != PAROTIDS:
        raise BundleError(f"The bundle {path.name} labels its structures otherwise than right 1, left 2.")
    if bundle.locator and not of_parotids:
        raise BundleError(
            f"The bundle {path.name} has a locator, which finds parotid glands, but draws something else."
        )
    if bundle.locator and len(bundle.locator.preprocessing.inputs) > 1:
        raise BundleError(f"The locator of the bundle {path.name} takes several images, but is shown the first alone.")
    try:
        check_structures(bundle.structures)
        if bundle.segmenter.mirror:
            mirrored_labels(bundle.structures)
    except ValueError as error:
        raise BundleError(f"The structures of the bundle {path.name} cannot be used: {error}.") from error


def _parse_network(data: Mapping[str, Any], files: Mapping[str, Any]) -> NetworkSpec:
    z, y, x = (int(edge) for edge in data["tile"])
    if min(z, y, x) < 1 or z * y * x > LARGEST_TILE:
        raise ValueError(f"tile {data['tile']}")
    weights, openvino = _text(data, "weights"), data.get("openvino")
    needed = {weights: ".weights.h5"}
    if openvino is not None:
        openvino = _text(data, "openvino")
        needed |= {openvino: ".xml", str(PurePosixPath(openvino).with_suffix(".bin")): ".bin"}
    for name, suffix in needed.items():
        if name not in files or not name.endswith(suffix):
            raise ValueError(f"{name} is not among the files, or is none of the kind {suffix}")
    return NetworkSpec(
        network=_text(data, "network"),
        config=dict(data["config"]),
        preprocessing=from_data(Preprocessing, data["preprocessing"], "preprocessing."),
        tile=(z, y, x),
        weights=weights,
        openvino=openvino,
        mirror=bool(data["mirror"]),
    )


def _text(data: Mapping[str, Any], key: str) -> str:
    if not isinstance(data[key], str):
        raise ValueError(f"{key} is no text")
    return data[key]


def _shown(value: object) -> str:
    """A value that nobody has checked, as a short text on one line."""
    text = repr(str(value))
    return text if len(text) <= 80 else f"{text[:76]}…{text[-1]}"


def _check_file(name: str, size: int) -> None:
    """Refuse names that leave the bundle, kinds of file that can carry code, and absurd sizes."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name or len(path.parts) > 2:
        raise BundleError(f"The bundle names a file outside itself ({_shown(name)}): it is not safe to load.")
    if not name.isprintable() or str(path) != name:
        raise BundleError(f"The bundle holds {_shown(name)}, which is no proper name of a file.")
    if not name.endswith(ALLOWED_SUFFIXES):
        raise BundleError(
            f"The bundle holds {_shown(name)}, a kind of file that can carry code or has no place in it: "
            "it is not safe to load."
        )
    if not 0 <= size <= LARGEST_FILE:
        raise BundleError(f"The bundle states an impossible size for '{name}' ({size} bytes).")


def _read(path: Path, name: str, largest: int) -> bytes:
    """A file of a folder or zip, read only if it is not larger than stated."""
    try:
        if path.is_dir():
            return _read_of_folder(path, name, largest)
        with zipfile.ZipFile(path) as archive:
            entry = archive.getinfo(_top_folder(archive) + name)
            if entry.file_size > largest:
                raise BundleError(f"The file {name} of the bundle {path.name} is larger than it should be.")
            return archive.read(entry)
    except (FileNotFoundError, KeyError) as error:
        raise BundleError(f"The bundle {path.name} has no {name}.") from error
    except (OSError, EOFError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error, lzma.LZMAError) as error:
        raise BundleError(
            f"The bundle {path.name} cannot be read: it is no folder or zip of a model, or it is damaged."
        ) from error


def _top_folder(archive: zipfile.ZipFile) -> str:
    """ "name/" if the zip holds the bundle's folder rather than its files, as most programs make it; "" otherwise."""
    inner = [name for name in archive.namelist() if name.count("/") == 1 and name.endswith("/bundle.json")]
    return inner[0].removesuffix("bundle.json") if "bundle.json" not in archive.namelist() and len(inner) == 1 else ""


def _read_of_folder(folder: Path, name: str, largest: int) -> bytes:
    target = (folder / name).resolve()
    if not target.is_relative_to(folder.resolve()):
        raise BundleError(f"The bundle names a file outside itself ('{name}'): it is not safe to load.")
    if target.exists() and not target.is_file():
        raise BundleError(f"The {name} of the bundle {folder.name} is no file.")
    with target.open("rb") as file:
        content = file.read(largest + 1)
    if len(content) > largest:
        raise BundleError(f"The file {name} of the bundle {folder.name} is larger than it should be.")
    return content
