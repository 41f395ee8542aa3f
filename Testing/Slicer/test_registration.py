"""Sample data and terminology, as the application takes them in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import vtk
from made_images import values

from ParotidSegLib.reading.images import read_image
from ParotidSegLib.reading.label_maps import read_labels
from ParotidSegLib.structures import PAROTIDS
from ParotidSegLib.writing.export import terminology_tag


@pytest.fixture
def registration(slicer_app):
    from ParotidSegLib.in_slicer import registration

    return registration


def test_the_terminology_is_offered_with_both_sides_and_colours(registration, slicer_app):
    name = registration.register_terminology()
    logic = slicer_app.modules.terminologies.logic()
    assert logic.IsTerminologyContextLoaded(name)
    category, kind = slicer_app.vtkSlicerTerminologyCategory(), slicer_app.vtkSlicerTerminologyType()
    assert logic.GetNthCategoryInTerminology(name, 0, category)
    assert logic.GetNthTypeInTerminologyCategory(name, category, 0, kind)
    assert kind.GetCodeMeaning() == "Parotid gland"
    for index, structure in enumerate(PAROTIDS):
        side = slicer_app.vtkSlicerTerminologyType()
        assert logic.GetNthTypeModifierInTerminologyType(name, category, kind, index, side)
        assert (side.GetCodeMeaning().lower(), side.GetRecommendedDisplayRGBValue()) == (
            structure.side,
            structure.colour,
        )


def test_a_segment_has_the_terminology_that_is_offered(registration, slicer_app):
    from ParotidSegLib.writing.export import TERMINOLOGY_CONTEXT

    assert registration.register_terminology() == TERMINOLOGY_CONTEXT


def test_the_average_anatomy_is_a_sample_that_loads_without_a_network(registration, slicer_app, sample_ct):
    from SampleData import SampleDataLogic

    registration.register_sample_data()
    registration.register_sample_data()
    sources = SampleDataLogic.sampleDataSourcesByCategory("ParotidSeg")
    assert len(sources) == 2
    assert all(Path(source.thumbnailFileName).is_file() for source in sources)
    (volume,) = SampleDataLogic().downloadSamples("ParotidSegAverageAnatomy")
    assert volume.GetName() == "Average anatomy"
    np.testing.assert_array_equal(slicer_app.util.arrayFromVolume(volume), values(read_image(sample_ct)))


def test_the_sample_with_contours_brings_coded_segments_that_cannot_overwrite_the_extension(
    registration, slicer_app, sample_labels
):
    from SampleData import SampleDataLogic

    from ParotidSegLib.in_slicer.scene import scene, undo

    registration.register_sample_data()
    volume, segmentation = SampleDataLogic().downloadSamples("ParotidSegAverageAnatomyContours")
    assert volume.IsA("vtkMRMLScalarVolumeNode")
    assert segmentation.IsA("vtkMRMLSegmentationNode")
    assert (volume.GetStorageNode(), segmentation.GetStorageNode()) == (None, None)
    for structure in PAROTIDS:
        segment = segmentation.GetSegmentation().GetSegment(structure.key)
        assert segment.GetName() == structure.name
        np.testing.assert_allclose(segment.GetColor(), [channel / 255 for channel in structure.colour], atol=1e-3)
        tag = vtk.reference("")
        assert segment.GetTag(segment.GetTerminologyEntryTagName(), tag)
        assert str(tag) == terminology_tag(structure)
    assert segmentation.GetSegmentation().GetSegmentIDs() == ("Parotid_R", "Parotid_L")
    np.testing.assert_array_equal(values(scene.gland_labels(segmentation, volume)), values(read_labels(sample_labels)))
    right, left = scene.gland_table(segmentation, volume)
    assert right.centre[0] > left.centre[0]
    assert not undo.can_undo(segmentation)
    assert scene.automatic_labels(segmentation, volume) is None
