"""What the module offers the application once it has started: sample data, and the terminology with its colours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..files.sample_files import CONTOURS, CT, sample_file

CATEGORY = "ParotidSeg"
#: Name of a sample, its file, checksum, and its picture among the icons.
CT_SAMPLE, CONTOURS_SAMPLE = "ParotidSegAverageAnatomy", "ParotidSegAverageAnatomyContours"
CHECKSUMS = {
    CT: "SHA256:aa18315b4f71cbba04f989415d79afe7e480dcb85b0372b87029e8ebb3c2a348",
    CONTOURS: "SHA256:2cd911c30b65c6c823bb285ceea365f5fc787595f147e2178330fc6431af52a3",
}
CT_NODE, CONTOURS_NODE = "Average anatomy", "Average parotid glands"

_RESOURCES = Path(__file__).resolve().parents[2] / "Resources"
_TERMINOLOGY = _RESOURCES / "Terminology" / "SegmentationCategoryTypeModifier-ParotidSeg.term.json"


def register_terminology() -> str:
    """Offer the right and left parotid gland, coded and coloured, in the terminology selector.

    Returns:
        The name of the terminology's context; empty if the application could not read it.
    """
    import slicer

    return slicer.modules.terminologies.logic().LoadTerminologyFromFile(str(_TERMINOLOGY))


def register_sample_data() -> None:
    """Offer the average anatomy, which is no patient's, in the module Sample Data; a second call changes nothing.

    The files come with the extension, so that samples need no network.
    """
    from SampleData import SampleDataLogic

    icons = _RESOURCES / "Icons"
    SampleDataLogic.registerCustomSampleDataSource(
        category=CATEGORY,
        sampleName=CT_SAMPLE,
        uris=sample_file(CT).as_uri(),
        fileNames=CT,
        checksums=CHECKSUMS[CT],
        nodeNames=CT_NODE,
        thumbnailFileName=str(icons / f"{CT_SAMPLE}.png"),
    )
    SampleDataLogic.registerCustomSampleDataSource(
        category=CATEGORY,
        sampleName=CONTOURS_SAMPLE,
        uris=[sample_file(CT).as_uri(), sample_file(CONTOURS).as_uri()],
        fileNames=[CT, CONTOURS],
        checksums=[CHECKSUMS[CT], CHECKSUMS[CONTOURS]],
        nodeNames=[CT_NODE, CONTOURS_NODE],
        customDownloader=load_sample_with_contours,
        thumbnailFileName=str(icons / f"{CONTOURS_SAMPLE}.png"),
    )


def load_sample_with_contours(source: Any = None) -> list[Any]:
    """Load the average anatomy and its contours, as segments with codes and colours; returns volume and segmentation.

    Args:
        source: the application's description of the sample, which it hands over; not needed.
    """
    import slicer
    import slicer.util

    from .scene.scene import new_segmentation, put_segments

    volume = slicer.util.loadVolume(str(sample_file(CT)), {"name": CT_NODE})
    # Without this, saving the scene would write over the file that came with the extension.
    slicer.mrmlScene.RemoveNode(volume.GetStorageNode())
    volume.SetAndObserveStorageNodeID(None)
    segmentation = new_segmentation(volume, CONTOURS_NODE)
    put_segments(segmentation, sample_file(CONTOURS), volume, save_for_undo=lambda: None, is_automatic=False)
    return [volume, segmentation]
