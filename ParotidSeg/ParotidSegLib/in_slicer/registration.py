"""What the module offers the application once it has started: sample data, and the terminology with its colours."""

from __future__ import annotations

from pathlib import Path

from ..files.sample_files import CONTOURS, CT, sample_file

CATEGORY = "ParotidSeg"
#: Name of a sample, its file, checksum, and its picture among the icons.
CT_SAMPLE, CONTOURS_SAMPLE = "ParotidSegAverageAnatomy", "ParotidSegAverageAnatomyContours"
CHECKSUMS = {
    CT: "SHA256:aa18315b4f71cbba04f989415d79afe7e480dcb85b0372b87029e8ebb3c2a348",
    CONTOURS: "SHA256:412c6483b4c510798ad822025c6925a3f37b6da2f7a188eaee72350a76f55e35",
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

    The files come with the extension, so that samples need no network. Their types are named because readers of volumes
    and of segmentations both claim such files; the application makes copies, so that saving a scene never writes over
    the extension. No downloader of our own: it would serve the click alone, not `SampleDataLogic.downloadSamples`.
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
        loadFileTypes="VolumeFile",
        thumbnailFileName=str(icons / f"{CT_SAMPLE}.png"),
    )
    SampleDataLogic.registerCustomSampleDataSource(
        category=CATEGORY,
        sampleName=CONTOURS_SAMPLE,
        uris=[sample_file(CT).as_uri(), sample_file(CONTOURS).as_uri()],
        fileNames=[CT, CONTOURS],
        checksums=[CHECKSUMS[CT], CHECKSUMS[CONTOURS]],
        nodeNames=[CT_NODE, CONTOURS_NODE],
        loadFileTypes=["VolumeFile", "SegmentationFile"],
        thumbnailFileName=str(icons / f"{CONTOURS_SAMPLE}.png"),
    )
