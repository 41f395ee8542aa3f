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
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from ParotidSegLib.errors import DataError
from ParotidSegLib.reading.contours.mask_values import whole_numbers
from ParotidSegLib.reading.contours.region_names import RegionPatterns, listed
from ParotidSegLib.structures import PAROTIDS, Structure

from ..data.json_files import read_json
from ..data.structure_lists import structures_from_data

#: Stands for all label values that are not named.
ALL_OTHERS = "*"
#: Two structures may share so large a part of the smaller one's voxels: outlines touch, but no more.
LARGEST_OVERLAP = 0.05
_MAPPING_FIELDS, _SOURCE_FIELDS = ("structures", "sources"), ("labels", "patterns")


@dataclass(frozen=True)
class SourceLabels:
    """What becomes of the labels of one source.

    Attributes:
        structures: those to be had.
        values: label value -> key of a structure, or None for background; None itself if values need no mapping.
        names: name in lower case -> key, or None.
        drop_others: whether values that are not named become background; otherwise they are refused.
        patterns: for names that are not in `names`.
    """

    structures: tuple[Structure, ...]
    values: Mapping[int, str | None] | None
    names: Mapping[str, str | None]
    drop_others: bool
    patterns: RegionPatterns

    @classmethod
    def plain(cls, structures: Sequence[Structure] = PAROTIDS, patterns: RegionPatterns | None = None) -> SourceLabels:
        """Labels that are as they have to be; names are matched by patterns, by default the usual ones."""
        keys = [structure.key for structure in structures]
        return cls(tuple(structures), None, {}, False, patterns or RegionPatterns.default(keys))

    def with_patterns(self, patterns: RegionPatterns) -> SourceLabels:
        """The same, with other patterns."""
        return replace(self, patterns=patterns)

    def of_values(self, array: np.ndarray) -> np.ndarray:
        """A label map with the labels to be had.

        Args:
            array: any shape and kind.

        Returns:
            uint8, the same shape.

        Raises:
            DataError: a label is neither in the mapping nor one of the structures, or a value is no whole number.
        """
        array = whole_numbers(array)
        targets = {structure.key: structure.label for structure in self.structures}
        table = {label: label for label in targets.values()}
        if self.values is not None:
            table = {value: 0 if key is None else targets[key] for value, key in self.values.items()}
        present = [value for value in np.unique(array) if value != 0]
        unknown = [value for value in present if value not in table]
        if unknown and not self.drop_others:
            known = ", ".join(map(str, sorted(table)))
            raise DataError(
                f"The label map holds the value {unknown[0]:g}{' and others' if unknown[1:] else ''}, but known are "
                f"{known}: give a mapping file that says what it is, or that '{ALL_OTHERS}' is null."
            )
        labels = np.zeros(array.shape, np.uint8)
        for value in present:
            labels[array == value] = table.get(value, 0)
        return labels

    def of_names(self, names: Sequence[str]) -> dict[str, list[str]]:
        """The regions that make up each structure, by key, in label order; a structure without one is left out.

        Raises:
            DataError: no name is that of a structure, or a side or a choice is not clear.
        """
        found: dict[str, list[str]] = {}
        for name in names:
            key = self.names.get(name.strip().lower())
            if key is not None:
                if list(names).count(name) > 1:
                    raise DataError(f"Several regions are named '{name}': give each a name of its own.")
                found.setdefault(key, []).append(name)
        left = [name for name in names if name.strip().lower() not in self.names]
        for key, name in self.patterns.match(left).items():
            found.setdefault(key, [name])
        if not found:
            wanted = ", ".join(structure.key for structure in self.structures)
            raise DataError(
                f"No region is named like {wanted}; the regions are {listed(names)}: give --patterns or a mapping."
            )
        return {s.key: found[s.key] for s in self.structures if s.key in found}

    def is_of_one(self, name: str) -> bool:
        """Whether a name is that of one structure, and says no more."""
        if name.strip().lower() in self.names:
            return self.names[name.strip().lower()] is not None
        try:
            found = self.patterns.match([name])
        except DataError:
            return False
        return bool(found) and not any(self.says_more(key, name) for key in found)

    def says_more(self, key: str, name: str) -> bool:
        """Whether the name of a region has words of which no one knows what they mean; what was mapped has not."""
        return name.strip().lower() not in self.names and self.patterns.says_more(key, name)

    def missing(self, found: Mapping[str, Any]) -> list[str]:
        """Keys of the structures that are not among those found."""
        return [structure.key for structure in self.structures if structure.key not in found]


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


def joined(masks: Mapping[str, np.ndarray], structures: Sequence[Structure]) -> tuple[np.ndarray, int]:
    """One label map of masks that lie on one grid.

    Args:
        masks: by structure key, bool, all of one shape; at least one.
        structures: those that the keys name.

    Returns:
        uint8 of the same shape, and in how many voxels two masks overlapped: the lower label has them.

    Raises:
        DataError: two masks share more than 5 % of the smaller one.
    """
    labels = np.zeros(next(iter(masks.values())).shape, np.uint8)
    overlapping = 0
    for structure in sorted((s for s in structures if s.key in masks), key=lambda s: s.label):
        mask = masks[structure.key]
        for other in structures:
            shared = int((mask & (labels == other.label)).sum())
            smaller = min(int(mask.sum()), int(masks[other.key].sum())) if other.key in masks else 0
            if shared > LARGEST_OVERLAP * smaller:
                raise DataError(
                    f"{other.key} and {structure.key} overlap in {shared / smaller:.0%} of the smaller one, so that "
                    "they cannot be one label map: correct the contours or the patterns."
                )
            overlapping += shared
        labels[mask & (labels == 0)] = structure.label
    return labels, overlapping


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
