"""What becomes of the labels and the names of regions that someone gave them, and masks joined to one label map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...errors import DataError
from ...structures import PAROTIDS, Structure
from .mask_values import whole_numbers
from .region_names import RegionPatterns, listed

#: Stands for all label values that are not named.
ALL_OTHERS = "*"
#: Two structures may share so large a part of the smaller one's voxels: outlines touch, but no more.
LARGEST_OVERLAP = 0.05


@dataclass(frozen=True)
class SourceLabels:
    """What becomes of the labels of one source.

    Attributes:
        structures: those to be had.
        values: label value -> key of a structure, or None for background; None itself if values need no mapping.
        names: name in lower case -> key, or None.
        drop_others: whether values that are not named become background; otherwise they are refused.
        patterns: for names that are not in `names`.
        ways: what a user can give besides, as the end of a sentence on names that are not known.
    """

    structures: tuple[Structure, ...]
    values: Mapping[int, str | None] | None
    names: Mapping[str, str | None]
    drop_others: bool
    patterns: RegionPatterns
    ways: str = ", or give --patterns or a mapping that fit them"

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
                f"{known}: keep those alone, or give a mapping file that says what it is, or that '{ALL_OTHERS}' is "
                "null."
            )
        labels = np.zeros(array.shape, np.uint8)
        for value in present:
            labels[array == value] = table.get(value, 0)
        return labels

    def of_names(self, names: Sequence[str], codes: Mapping[str, str] | None = None) -> dict[str, list[str]]:
        """The regions that make up each structure, as `find` gives them.

        Raises:
            DataError: no name is that of a structure, or a side or a choice is not clear.
        """
        found = self.find(names, codes)
        if not found:
            wanted = ", ".join(structure.key for structure in self.structures)
            raise DataError(
                f"No region is named like {wanted}; the regions are {listed(names)}: rename those that are "
                f"meant{self.ways}."
            )
        return found

    def find(self, names: Sequence[str], codes: Mapping[str, str] | None = None) -> dict[str, list[str]]:
        """The regions that make up each structure, by key, in label order; a structure without one is left out.

        A name that was mapped counts first, then a code, then the patterns.

        Args:
            names: of all regions.
            codes: by name, the key of the structure that the region's code names.

        Raises:
            DataError: a side or a choice is not clear.
        """
        found: dict[str, list[str]] = {}
        for name in names:
            key = self.names.get(name.strip().lower())
            if key is not None:
                if list(names).count(name) > 1:
                    raise DataError(f"Several regions are named '{name}': give each a name of its own.")
                found.setdefault(key, []).append(name)
        left = [name for name in names if name.strip().lower() not in self.names]
        for key, name in self._of_codes(left, codes or {}).items():
            found.setdefault(key, [name])
        for key, name in self.patterns.match([name for name in left if name not in (codes or {})]).items():
            found.setdefault(key, [name])
        return {s.key: found[s.key] for s in self.structures if s.key in found}

    def _of_codes(self, names: Sequence[str], codes: Mapping[str, str]) -> dict[str, str]:
        found: dict[str, str] = {}
        for name in names:
            key = codes.get(name)
            if key is None:
                continue
            said = self.patterns.match([name])
            if said and key not in said:
                raise DataError(
                    f"The region '{name}' is coded as {key}, so that its side is not clear: correct its name or its "
                    "code."
                )
            if key in found:
                raise DataError(f"Two regions, '{found[key]}' and '{name}', are coded as {key}: keep one.")
            found[key] = name
        return found

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
