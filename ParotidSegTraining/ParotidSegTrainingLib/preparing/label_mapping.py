"""One table of labels for data sets that number or name their structures differently: a mapping file.

    {
      "structures": [{"label": 1, "key": "Spleen", "name": "Spleen"}, ...],
      "sources": {
        "hospital-a": {"labels": {"1": "Spleen", "2": null}},
        "hospital-b": {"labels": {"spleen": "Spleen", "*": null}, "patterns": {"Spleen": ["^splen"]}}
      }
    }

`structures` are the labels to be had (left out: the two parotid glands). `labels` says what becomes of each label value
or name of a source: null makes it background, several may become one, "*" stands for all values that are not named.
`patterns` match names of regions, where the names themselves do not do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from ParotidSegLib.errors import DataError
from ParotidSegLib.reading.contours.label_rules import ALL_OTHERS, SourceLabels
from ParotidSegLib.reading.contours.region_names import RegionPatterns, listed
from ParotidSegLib.structures import PAROTIDS, Structure

from ..data.json_files import read_json
from ..data.structure_lists import structures_from_data

_MAPPING_FIELDS, _SOURCE_FIELDS = ("structures", "sources"), ("labels", "patterns")


@dataclass(frozen=True)
class LabelMapping:
    """A mapping file: the structures to be had, and the labels of each source by its name."""

    structures: tuple[Structure, ...]
    sources: Mapping[str, SourceLabels]

    @classmethod
    def read(cls, name: str | Path) -> LabelMapping:
        """Read a mapping file, or one that ships.

        Args:
            name: a path, or one of `shipped_mappings()`.

        Raises:
            DataError: there is no such file, or a field is missing, unknown or impossible; the message names it.
        """
        path = Path(name)
        if not path.suffix and str(name) in shipped_mappings():
            path = Path(str(resources.files(__package__) / "mappings" / f"{name}.json"))
        data = read_json(path)
        where = f"The mapping {path.name}"
        _check_fields(data, _MAPPING_FIELDS, where)
        structures = structures_from_data(data["structures"], where) if "structures" in data else PAROTIDS
        sources = data.get("sources")
        if not isinstance(sources, Mapping) or not sources:
            raise DataError(f"{where} must have 'sources': a table of the sources' names and what their labels become.")
        return cls(
            structures,
            {
                source: _source_labels(entry, structures, f"{where}, source '{source}',")
                for source, entry in sources.items()
            },
        )

    def of(self, source: str) -> SourceLabels:
        """The labels of a source.

        Raises:
            DataError: the mapping does not know it.
        """
        if source not in self.sources:
            raise DataError(
                f"The mapping has no source '{source}' but {listed(list(self.sources))}: name the source as "
                "NAME=FOLDER, or add it to the mapping."
            )
        return self.sources[source]


def shipped_mappings() -> list[str]:
    """Names of the mapping files that come with the package."""
    folder = resources.files(__package__) / "mappings"
    return sorted(Path(entry.name).stem for entry in folder.iterdir() if entry.name.endswith(".json"))


def _source_labels(entry: Any, structures: tuple[Structure, ...], where: str) -> SourceLabels:
    _check_fields(entry, _SOURCE_FIELDS, where)
    keys = [structure.key for structure in structures]
    labels = entry.get("labels", {})
    if not isinstance(labels, Mapping):
        raise DataError(f"{where} must have 'labels': a table of label values or names and the structures they become.")
    values: dict[int, str | None] = {}
    names: dict[str, str | None] = {}
    for label, key in labels.items():
        if key is not None and key not in keys:
            raise DataError(f"{where} maps '{label}' to '{key}', which is none of its structures ({', '.join(keys)}).")
        if label.strip().isdecimal():
            values[int(label)] = key
        elif label != ALL_OTHERS:
            names[label.strip().lower()] = key
        elif key is not None:
            raise DataError(f"{where} maps '{ALL_OTHERS}' to '{key}': all other labels can only become null.")
    patterns = RegionPatterns.default(keys)
    if "patterns" in entry:
        patterns = RegionPatterns.from_data(entry["patterns"], keys, f"{where} under 'patterns'")
    return SourceLabels(structures, values or None, names, ALL_OTHERS in labels, patterns)


def _check_fields(data: Any, known: Sequence[str], where: str) -> None:
    if not isinstance(data, Mapping):
        raise DataError(f"{where} must be a table with {' and '.join(known)}.")
    for field in data:
        if field not in known:
            raise DataError(f"{where} has the unknown field '{field}'; known are {', '.join(known)}.")
