"""The folder of a training run: whose it is, who works in it, and what the run was made with."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
import secrets
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

from ParotidSegLib.atomic import atomic_path
from ParotidSegLib.errors import DataError, OutputError, RecipeError

from .. import recipe as recipes
from ..data.dataset import DatasetFolder
from ..provenance import provenance
from ..recipe import Recipe

PROVENANCE = "provenance.json"
#: The packages that the weights of a run can depend on, beside those of every result.
PACKAGES = ("keras", "tensorflow", "tensorflow-cpu", "torch", "jax", "h5py", "scipy")


@contextmanager
def locked(run: Path) -> Iterator[None]:
    """Let no other process work in the folder for the length of a block; however a process ends, its lock ends too.

    Raises:
        OutputError: another process works there, or the folder cannot be written.
    """
    path = run / ".lock"
    try:
        run.mkdir(parents=True, exist_ok=True)
        file = _open_lock(path)
    except (FileExistsError, NotADirectoryError) as error:
        raise OutputError(f"{run} is not a folder, so nothing can be written into it: choose another place.") from error
    except BlockingIOError as error:
        raise OutputError(f"Another process trains in {run}: wait for it or choose another folder.") from error
    except OSError as error:
        raise OutputError(f"{run} cannot be written: {error.strerror or error}.") from error
    try:
        yield
    finally:
        # Where an open file cannot be removed it stays, empty, and does no harm.
        with suppress(OSError):
            path.unlink()
        file.close()


def _open_lock(path: Path) -> IO[str]:
    """The lock file, open and locked; BlockingIOError if another process has it."""
    while True:
        file = path.open("w", encoding="utf-8")
        try:
            _lock(file)
            # Whoever had it may have removed it meanwhile: what is locked would then be nobody's.
            if path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        except BaseException:
            file.close()
            raise
        file.close()


def _lock(file: IO[str]) -> None:
    if sys.platform == "win32":
        import msvcrt

        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError as error:
            raise BlockingIOError(str(error)) from error
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def claim(run: Path, recipe: Recipe) -> None:
    """Write the recipe into a run folder; refuse a folder in which another recipe has finished an epoch.

    What a killed process left half written is removed. The folder has to be `locked`.
    """
    path = run / "recipe.json"
    # Compared as recipes, not as text: a field that came later has its default in the older file.
    if (run / "state.json").is_file() and recipes.load(str(path)) != recipe:
        raise RecipeError(f"{run} holds a run of another recipe; choose an empty folder or the recipe that it holds.")
    with atomic_path(path) as temporary:
        temporary.write_text(recipe.to_json(), encoding="utf-8")
    for leftover in run.glob(".*.tmp*"):
        leftover.unlink()


@dataclass
class Provenance:
    """What a run was made with, beside its recipe: no name of a case and no path.

    Attributes:
        id: made up when the run began.
        precision: the Keras dtype policy; it stays that of the first session.
        data: what `fingerprint` says of the data set.
        start_from: SHA-256 of the weights that the run started from; empty for random ones.
        sessions: of each change of software or hardware: the first epoch with it, and what it is.
    """

    id: str
    precision: str
    data: dict[str, Any]
    start_from: str = ""
    sessions: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def load(cls, run: Path) -> Provenance | None:
        """That of a run that has finished an epoch; None if there is none."""
        if not (run / "state.json").is_file():
            return None
        try:
            return cls(**json.loads((run / PROVENANCE).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise DataError(
                f"The {PROVENANCE} of the run {run} is missing or damaged: choose an empty folder to begin anew."
            ) from error

    def save(self, run: Path) -> None:
        """Write provenance.json."""
        with atomic_path(run / PROVENANCE) as temporary:
            temporary.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")

    def note_session(self, epoch: int, made_with: Mapping[str, Any]) -> None:
        """Record software and hardware from an epoch on, unless they are still the same."""
        last = (
            {key: value for key, value in self.sessions[-1].items() if key != "from_epoch"} if self.sessions else None
        )
        if last != made_with:
            self.sessions.append({"from_epoch": epoch + 1, **made_with})


def open_provenance(run: Path, precision: str, data: Mapping[str, Any], start: Path | None) -> Provenance:
    """That of the run, or a new one.

    Raises:
        DataError: the data set or the weights to start from are not those that the run began with.
    """
    known = Provenance.load(run)
    if known is None:
        return Provenance(secrets.token_hex(6), precision, dict(data), sha256(start) if start else "")
    if known.data != data:
        raise DataError(
            f"The data set is not the one that the run {run} began with: give that one, or an empty folder."
        )
    if start and start.is_file() and sha256(start) != known.start_from:
        raise DataError(f"The run {run} did not begin with {start}: leave out --start-from, or give an empty folder.")
    return known


def fingerprint(folder: DatasetFolder, splits: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """What tells one data set from another without telling of anyone: counts and SHA-256 hashes by split.

    Args:
        folder: the data set.
        splits: names of the cases that are used, by split.

    Returns:
        For each split: cases (their number), names (hash of their names in order), content (hash of their files).
    """
    found = {}
    for split, names in splits.items():
        used = ((*folder.image_paths(name), folder.mask_path(name), folder.drawn_path(name)) for name in names)
        files = [path for paths in used for path in paths if path]
        with ThreadPoolExecutor() as pool:
            content = "".join(pool.map(sha256, files))
        found[split] = {
            "cases": len(names),
            "names": fingerprint_of_names(names),
            "content": hashlib.sha256(content.encode()).hexdigest(),
        }
    return found


def fingerprint_of_names(names: Sequence[str]) -> str:
    """SHA-256 of names of cases in their order."""
    return hashlib.sha256(json.dumps(list(names)).encode("utf-8")).hexdigest()


def sha256(path: Path) -> str:
    """Hash of a file.

    Raises:
        DataError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            # Python 3.10 has no hashlib.file_digest yet.
            digest = hashlib.sha256()
            while block := file.read(2**20):
                digest.update(block)
            return digest.hexdigest()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error


def software() -> dict[str, str]:
    """Versions of what a result can depend on."""
    import keras

    found = {**provenance()["software"], "system": platform.system(), "backend": keras.config.backend()}
    for name in PACKAGES:
        with suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found
