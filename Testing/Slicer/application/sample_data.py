"""The module `SampleData`: registers samples with the signature of Slicer 5.12's, and loads one as it does.

What it proves: that addresses, file names, checksums and node names are such that the real one can load the sample.
"""

from __future__ import annotations

import types
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: Readers of volumes and of segmentations claim these alike: without a named type it is not settled who loads them.
AMBIGUOUS = (".nii.gz", ".nii", ".nrrd", ".mha")


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


@dataclass(frozen=True)
class SampleDataSource:
    """One sample."""

    sampleName: str
    uris: Sequence[str]
    fileNames: Sequence[str]
    nodeNames: Sequence[str]
    checksums: Sequence[str]
    loadFileTypes: Sequence[str | None]
    thumbnailFileName: str | None
    customDownloader: Callable[..., Any] | None


def sample_data_module(slicer: Any) -> types.ModuleType:
    """The module `SampleData` for `sys.modules`."""
    sources: dict[str, list[SampleDataSource]] = {}

    class SampleDataLogic:
        """Registers and loads."""

        @staticmethod
        def registerCustomSampleDataSource(  # noqa: PLR0917 (that is its signature)
            category: str = "Custom",
            sampleName: str | None = None,
            uris: Any = None,
            fileNames: Any = None,
            nodeNames: Any = None,
            customDownloader: Callable[..., Any] | None = None,
            thumbnailFileName: str | None = None,
            loadFileTypes: Any = None,
            loadFiles: Any = None,
            loadFileProperties: Any = None,
            checksums: Any = None,
        ) -> None:
            """Add a sample; one that is there already is not added again."""
            assert sampleName
            lists = [_listed(value) for value in (uris, fileNames, nodeNames, checksums, loadFileTypes)]
            if loadFileTypes is None:
                lists[-1] = [None] * len(lists[0])
            assert len({len(values) for values in lists}) == 1, "one name, node, checksum and type for each address"
            source = SampleDataSource(sampleName, *lists, thumbnailFileName, customDownloader)
            if source not in sources.setdefault(category, []):
                sources[category].append(source)

        @staticmethod
        def sampleDataSourcesByCategory(category: str) -> list[SampleDataSource]:
            """The samples of a category."""
            return sources.get(category, [])

        def downloadSamples(self, sampleName: str) -> list[Any]:
            """Load a sample. A downloader of its own serves the button of the module alone, as in the application."""
            source = next(s for listed in sources.values() for s in listed if s.sampleName == sampleName)
            columns = (source.uris, source.fileNames, source.nodeNames, source.checksums, source.loadFileTypes)
            return [self._load(*one) for one in zip(*columns, strict=True)]

        @staticmethod
        def _load(uri: str, file_name: str, node_name: str, checksum: str, kind: str | None) -> Any:
            path = Path(slicer.app.temporaryPath) / file_name
            urllib.request.urlretrieve(uri, path)
            algorithm, digest = slicer.util.extractAlgoAndDigest(checksum)
            assert slicer.util.computeChecksum(algorithm, str(path)) == digest
            suffix = slicer.app.coreIOManager().extractKnownExtension(path)
            assert kind or suffix not in AMBIGUOUS, f"several readers claim {suffix}: name the type of the file"
            node = slicer.util.loadNodeFromFile(
                str(path), kind or slicer.app.coreIOManager().fileType(path), {"name": node_name}
            )
            slicer.mrmlScene.RemoveNode(node.GetStorageNode())
            node.SetAndObserveStorageNodeID(None)
            return node

    module = types.ModuleType("SampleData")
    module.SampleDataLogic = SampleDataLogic  # type: ignore[attr-defined]
    return module
