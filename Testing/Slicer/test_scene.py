"""Results in the real MRML scene: where they lie, what they are called, and what they leave alone."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from made_images import like, made_head, values
from made_scene import add_ball, made_glands, middle_in_ras, middle_of, oblique_head, share_one_array, voxels_of
from orientations import reoriented, rotation

from ParotidSegLib.errors import ImageError
from ParotidSegLib.structures import PAROTIDS
from ParotidSegLib.writing.export import terminology_tag, write_segmentation


@pytest.mark.parametrize("order, flips", [((0, 1, 2), (0, 0, 0)), ((2, 0, 1), (1, 0, 1)), ((1, 0, 2), (0, 1, 1))])
def test_the_glands_come_to_lie_where_they_are_in_the_patient(scene, slicer_app, add_volume, order, flips):
    head = reoriented(oblique_head(), order, flips)
    glands = made_glands(head)
    volume = add_volume(head)
    node = scene.new_segmentation(volume, "Glands")
    scene.put_segments(node, glands, volume)
    for structure in PAROTIDS:
        expected = middle_of(glands, structure.label)
        np.testing.assert_allclose(middle_in_ras(slicer_app, node, structure.key), expected, atol=1e-4)
    # RAS: the patient's right has the larger first coordinate.
    assert middle_in_ras(slicer_app, node, "Parotid_R")[0] > middle_in_ras(slicer_app, node, "Parotid_L")[0]
    back = scene.gland_labels(node, volume)
    np.testing.assert_array_equal(values(back), values(glands))
    np.testing.assert_allclose(back.GetDirection(), head.GetDirection(), atol=1e-9)


def test_segments_have_stable_ids_names_colours_and_codes_with_the_side(scene, slicer_app, add_volume):
    head = made_head()
    volume = add_volume(head)
    node = scene.new_segmentation(volume, "Glands")
    scene.put_segments(node, made_glands(head), volume)
    import vtk

    segmentation = node.GetSegmentation()
    assert segmentation.GetSegmentIDs() == ("Parotid_R", "Parotid_L")
    for structure in PAROTIDS:
        segment = segmentation.GetSegment(structure.key)
        assert segment.GetName() == structure.name
        np.testing.assert_allclose(np.array(segment.GetColor()) * 255, structure.colour, atol=1e-6)
        tag = vtk.reference("")
        assert segment.GetTag(segment.GetTerminologyEntryTagName(), tag)
        assert str(tag) == terminology_tag(structure)
        entry = slicer_app.vtkSlicerTerminologyEntry()
        slicer_app.modules.terminologies.logic().DeserializeTerminologyEntry(str(tag), entry)
        assert entry.GetTypeObject().GetCodeMeaning() == "Parotid gland"
        assert entry.GetTypeModifierObject().GetCodeMeaning().lower() == structure.side
        assert node.GetDisplayNode().GetSegmentVisibility(structure.key)


def test_a_file_of_the_worker_is_read_by_ids_and_codes(scene, add_volume, tmp_path):
    head = oblique_head()
    glands = made_glands(head)
    volume = add_volume(head)
    for suffix in (".seg.nrrd", ".nii.gz"):
        path = write_segmentation(glands, tmp_path / f"glands{suffix}")
        node = scene.new_segmentation(volume, "Glands")
        scene.put_segments(node, path, volume)
        np.testing.assert_array_equal(values(scene.gland_labels(node, volume)), values(glands))


@pytest.mark.parametrize("segmentation_moves_too", [False, True])
def test_a_volume_under_a_transform_gets_its_glands_where_it_lies(  # noqa: PLR0917
    scene, slicer_app, add_volume, add_transform, tmp_path, segmentation_moves_too
):
    matrix = np.eye(4)
    matrix[:3, :3] = np.reshape(rotation(25, -15, 40), (3, 3))
    matrix[:3, 3] = (30, -20, 10)
    head = oblique_head()
    glands = made_glands(head)
    volume = add_volume(head)
    volume.SetAndObserveTransformNodeID(add_transform(matrix).GetID())
    scene.write_volume(volume, tmp_path / "scan.nrrd")
    from_worker = like(sitk.ReadImage(str(tmp_path / "scan.nrrd")), values(glands).astype(np.uint8))
    if segmentation_moves_too:
        node = scene.new_segmentation(volume, "Glands")
    else:
        node = slicer_app.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    scene.put_segments(node, from_worker, volume)
    for structure in PAROTIDS:
        expected = matrix[:3, :3] @ middle_of(glands, structure.label) + matrix[:3, 3]
        np.testing.assert_allclose(middle_in_ras(slicer_app, node, structure.key), expected, atol=1e-3)
    labels = scene.gland_labels(node, volume)
    np.testing.assert_array_equal(values(labels), values(glands))
    # What goes out to DICOM lies where the file of the scan says, not where the scene shows it.
    np.testing.assert_allclose(labels.GetOrigin(), head.GetOrigin(), atol=1e-6)
    np.testing.assert_allclose(
        scene.gland_labels(node, volume, world=True).GetOrigin(), from_worker.GetOrigin(), atol=1e-6
    )


def test_other_segments_stay_as_they_are(scene, slicer_app, add_volume):
    head = made_head()
    glands = made_glands(head)
    volume = add_volume(head)
    node = scene.new_segmentation(volume, "Mine")
    # One overlaps the right gland, one lies apart, one on a finer grid; the first two share an array.
    i, j, k = np.argwhere(values(glands) == 1).mean(axis=0)[::-1]
    add_ball(slicer_app, node, "tumour", centre=(i + 2, j, k), radius=14.0, grid=head)
    add_ball(slicer_app, node, "cord", centre=(20, 30, 10), radius=9.0, grid=head)
    node.GetSegmentation().CollapseBinaryLabelmaps(False)
    fine = sitk.Image(60, 60, 60, sitk.sitkUInt8)
    fine.SetOrigin((-30, -30, 60))
    node.GetSegmentation().AddEmptySegment("fine", "fine")
    node.GetSegmentation().SeparateSegmentLabelmap("fine")
    add_ball(slicer_app, node, "fine", centre=(30, 30, 30), radius=12.0, grid=fine)
    assert share_one_array(node, "tumour", "cord")
    node.GetSegmentation().GetSegment("tumour").SetColor(0.1, 0.2, 0.3)
    node.GetDisplayNode().SetSegmentVisibility("cord", False)
    before = {name: voxels_of(slicer_app, node, name) for name in ("tumour", "cord", "fine")}
    for shift in (0, 1):  # anew, then over the first result
        labels = np.roll(values(glands), shift, axis=0).astype(np.uint8)
        scene.put_segments(node, like(head, labels), volume)
        assert {name: voxels_of(slicer_app, node, name) for name in before} == before
        np.testing.assert_array_equal(values(scene.gland_labels(node, volume)), labels)
    assert node.GetSegmentation().GetSegmentIDs() == ("tumour", "cord", "fine", "Parotid_R", "Parotid_L")
    assert node.GetSegmentation().GetSegment("tumour").GetColor() == (0.1, 0.2, 0.3)
    assert not node.GetDisplayNode().GetSegmentVisibility("cord")


def test_a_gland_that_shares_its_array_with_another_segment_is_replaced_alone(scene, slicer_app, add_volume):
    head = made_head()
    volume = add_volume(head)
    node = scene.new_segmentation(volume, "Mine")
    scene.put_segments(node, made_glands(head), volume)
    add_ball(slicer_app, node, "cord", centre=(20, 30, 10), radius=9.0, grid=head)
    node.GetSegmentation().CollapseBinaryLabelmaps(False)
    assert share_one_array(node, "Parotid_R", "cord")
    cord = voxels_of(slicer_app, node, "cord")
    labels = np.roll(values(made_glands(head)), 2, axis=1).astype(np.uint8)
    labels[labels == 2] = 0
    scene.put_segments(node, like(head, labels), volume)
    assert voxels_of(slicer_app, node, "cord") == cord
    np.testing.assert_array_equal(values(scene.gland_labels(node, volume)), labels)
    assert node.GetSegmentation().GetSegmentIDs() == ("Parotid_R", "Parotid_L", "cord")


def test_glands_and_a_segment_on_another_grid_both_keep_their_voxels(scene, slicer_app, add_volume):
    head = made_head()
    coarse = made_head((20, 20, 10), (10.0, 10.0, 12.0))
    volume = add_volume(head)
    node = slicer_app.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    add_ball(slicer_app, node, "cord", centre=(10, 15, 5), radius=15.0, grid=coarse)
    before = voxels_of(slicer_app, node, "cord")
    scene.put_segments(node, made_glands(head), volume)
    np.testing.assert_array_equal(values(scene.gland_labels(node, volume)), values(made_glands(head)))
    assert voxels_of(slicer_app, node, "cord") == before


def test_a_gland_that_was_not_found_is_an_empty_segment(scene, add_volume):
    head = made_head()
    labels = values(made_glands(head)).astype(np.uint8)
    labels[labels == 1] = 0
    volume = add_volume(head)
    node = scene.new_segmentation(volume, "Glands")
    scene.put_segments(node, like(head, labels), volume)
    right, left = scene.gland_table(node, volume)
    assert (right.found, left.found) == (False, True)
    assert right.volume_ml == 0.0
    assert np.isnan(right.mean_hu)


def test_the_scan_gives_the_reference_geometry(scene, slicer_app, add_volume):
    first, second = add_volume(made_head((20, 20, 10)), "first"), add_volume(made_head(), "second")
    node = scene.new_segmentation(first, "Glands")
    scene.put_segments(node, made_glands(made_head()), second)
    role = node.GetReferenceImageGeometryReferenceRole()
    assert node.GetNodeReference(role) is second
    geometry = node.GetSegmentation().GetConversionParameter(
        slicer_app.vtkSegmentationConverter.GetReferenceImageGeometryParameterName()
    )
    assert geometry.endswith("0;39;0;39;0;19;")


def test_contours_of_another_grid_are_refused(scene, add_volume, add_transform):
    head = made_head()
    volume = add_volume(head)
    node = scene.new_segmentation(volume, "Glands")
    mirrored = sitk.Flip(made_glands(head), [True, False, False])
    mirrored.SetDirection(head.GetDirection())
    mirrored.SetOrigin((-95.0, -90.0, 30.0))
    with pytest.raises(ImageError, match="moved or changed"):
        scene.put_segments(node, mirrored, volume)
    moved = np.eye(4)
    moved[0, 3] = 1.0
    volume.SetAndObserveTransformNodeID(add_transform(moved).GetID())
    with pytest.raises(ImageError, match="moved or changed"):
        scene.put_segments(node, made_glands(head), volume)
    assert node.GetSegmentation().GetNumberOfSegments() == 0


def test_a_segmentation_of_surfaces_is_refused_and_stays_whole(scene, slicer_app, add_volume):
    head = made_head()
    volume = add_volume(head)
    node = scene.new_segmentation(volume, "Structures")
    add_ball(slicer_app, node, "cord", centre=(20, 30, 10), radius=9.0, grid=head)
    node.CreateClosedSurfaceRepresentation()
    node.SetSourceRepresentationToClosedSurface()
    with pytest.raises(ImageError, match="choose a new segmentation"):
        scene.put_segments(node, made_glands(head), volume)
    assert node.GetSegmentation().GetSegmentIDs() == ("cord",)
