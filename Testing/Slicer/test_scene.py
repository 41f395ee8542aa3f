"""Results in the real MRML scene: where they lie, what they are called, and what they leave alone."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from made_images import like, made_head, values, write_dicom_series
from orientations import reoriented, rotation

from ParotidSegLib.errors import ImageError
from ParotidSegLib.export import terminology_tag, write_segmentation
from ParotidSegLib.structures import LEFT_PAROTID, PAROTIDS, RIGHT_PAROTID


@pytest.fixture
def scene(slicer_app):
    """The module under test; it needs a started application."""
    from ParotidSegLib.in_slicer import scene

    return scene


def oblique_head(degrees=(10, -20, 30)) -> sitk.Image:
    head = made_head()
    head.SetDirection(rotation(*degrees))
    return head


def made_glands(head: sitk.Image) -> sitk.Image:
    """Two balls (15 mm right, 18 mm left) in patient space, whatever the grid."""
    index = np.stack(np.meshgrid(*(np.arange(n) for n in head.GetSize()), indexing="ij"), -1).transpose(2, 1, 0, 3)
    matrix = np.reshape(head.GetDirection(), (3, 3)) * np.array(head.GetSpacing())
    points = np.array(head.GetOrigin()) + index @ matrix.T
    middle = points.reshape(-1, 3).mean(axis=0)
    labels = np.zeros(points.shape[:3], np.uint8)
    for label, offset, radius in ((1, (-40, 0, 0), 15), (2, (40, 10, -6), 18)):
        labels[np.linalg.norm(points - middle - offset, axis=-1) < radius] = label
    return like(head, labels)


def middle_in_ras(slicer, node, segment_id) -> np.ndarray:
    """Middle of a segment's voxels in the world, mm, RAS, by Slicer's own export."""
    import vtk

    exported = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode")
    assert slicer.modules.segmentations.logic().ExportSegmentsToLabelmapNode(node, [segment_id], exported)
    matrix, to_world = vtk.vtkMatrix4x4(), vtk.vtkMatrix4x4()
    exported.GetIJKToRASMatrix(matrix)
    slicer.vtkMRMLTransformNode.GetMatrixTransformBetweenNodes(exported.GetParentTransformNode(), None, to_world)
    index = np.argwhere(slicer.util.arrayFromVolume(exported))[:, ::-1].mean(axis=0)
    slicer.mrmlScene.RemoveNode(exported)
    both = slicer.util.arrayFromVTKMatrix(to_world) @ slicer.util.arrayFromVTKMatrix(matrix)
    return (both @ (*index, 1.0))[:3]


def middle_of(labels: sitk.Image, label: int) -> np.ndarray:
    """Middle of a label's voxels, mm, RAS."""
    middle = np.argwhere(values(labels) == label)[:, ::-1].mean(axis=0)
    return np.array(labels.TransformContinuousIndexToPhysicalPoint(middle.tolist())) * (-1, -1, 1)


def share_one_array(node, *segment_ids) -> bool:
    segmentation = node.GetSegmentation()
    return len({segmentation.GetLayerIndex(segment_id) for segment_id in segment_ids}) == 1


def voxels_of(slicer, node, segment_id) -> int:
    array = slicer.util.arrayFromSegmentInternalBinaryLabelmap(node, segment_id)
    return int((array == node.GetSegmentation().GetSegment(segment_id).GetLabelValue()).sum())


def add_ball(slicer, node, segment_id, *, centre, radius, grid) -> None:
    """A segment of a person's own, drawn on the voxels of an image."""
    from ParotidSegLib.in_slicer.voxels import oriented_mask

    matrix = np.eye(4)
    matrix[:3, :3] = np.reshape(grid.GetDirection(), (3, 3)) * np.array(grid.GetSpacing())
    matrix[:3, 3] = grid.GetOrigin()
    index = np.stack(np.meshgrid(*(np.arange(n) for n in grid.GetSize()), indexing="ij"), -1).transpose(2, 1, 0, 3)
    mask = np.linalg.norm((index - np.array(centre)) * grid.GetSpacing(), axis=-1) < radius
    if node.GetSegmentation().GetSegment(segment_id) is None:
        node.GetSegmentation().AddEmptySegment(segment_id, segment_id)
    slicer.vtkSlicerSegmentationsModuleLogic.SetBinaryLabelmapToSegment(
        oriented_mask(mask, np.diag([-1.0, -1.0, 1.0, 1.0]) @ matrix), node, segment_id
    )


# --- out of the scene ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".nrrd", ".nii.gz"])
def test_a_volume_is_written_where_it_lies(scene, add_volume, tmp_path, suffix):
    head = oblique_head()
    scene.write_volume(add_volume(head), tmp_path / f"scan{suffix}")
    read = sitk.ReadImage(str(tmp_path / f"scan{suffix}"))
    np.testing.assert_array_equal(values(read), values(head))
    np.testing.assert_allclose(read.GetDirection(), head.GetDirection(), atol=1e-6)
    np.testing.assert_allclose(read.GetOrigin(), head.GetOrigin(), atol=1e-4)
    np.testing.assert_allclose(read.GetSpacing(), head.GetSpacing(), atol=1e-6)


def test_a_volume_under_transforms_is_written_where_the_scene_shows_it(scene, add_volume, add_transform, tmp_path):
    turned, shifted = np.eye(4), np.eye(4)
    turned[:3, :3] = np.reshape(rotation(0, 0, 90), (3, 3))
    shifted[:3, 3] = (5, -7, 11)
    inner, outer = add_transform(turned), add_transform(shifted)
    inner.SetAndObserveTransformNodeID(outer.GetID())
    head = oblique_head()
    node = add_volume(head)
    node.SetAndObserveTransformNodeID(inner.GetID())
    scene.write_volume(node, tmp_path / "scan.nrrd")
    read = sitk.ReadImage(str(tmp_path / "scan.nrrd"))
    before = np.array(head.TransformIndexToPhysicalPoint((3, 4, 5))) * (-1, -1, 1)
    expected = (turned[:3, :3] @ before + shifted[:3, 3]) * (-1, -1, 1)
    np.testing.assert_allclose(read.TransformIndexToPhysicalPoint((3, 4, 5)), expected, atol=1e-6)


def test_the_written_volume_holds_nothing_of_the_patient(scene, add_volume, tmp_path):
    node = add_volume(made_head(), "Doe^Jane")
    node.SetAttribute("DICOM.instanceUIDs", "1.2.3")
    scene.write_volume(node, tmp_path / "scan.nrrd")
    header = (tmp_path / "scan.nrrd").read_bytes().partition(b"\n\n")[0]
    assert b"Doe" not in header
    assert b"1.2.3" not in header


def test_what_cannot_be_written_is_said_in_a_sentence(scene, slicer_app, add_volume, add_transform, tmp_path):
    import vtk

    empty = slicer_app.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    with pytest.raises(ImageError, match="no voxels"):
        scene.write_volume(empty, tmp_path / "scan.nrrd")
    shear = np.eye(4)
    shear[0, 2] = 0.2
    node = add_volume(made_head())
    node.SetAndObserveTransformNodeID(add_transform(shear).GetID())
    with pytest.raises(ImageError, match="sheared"):
        scene.write_volume(node, tmp_path / "scan.nrrd")
    bend = vtk.vtkThinPlateSplineTransform()
    landmarks = [vtk.vtkPoints(), vtk.vtkPoints()]
    for points, shift in zip(landmarks, (0.0, 3.0), strict=True):
        for x, y, z in ((0, 0, 0), (50, 0, 0), (0, 50, 0), (0, 0, 50), (30, 30, 30)):
            points.InsertNextPoint(x + shift * (x == 30), y, z)
    bend.SetSourceLandmarks(landmarks[0])
    bend.SetTargetLandmarks(landmarks[1])
    bent = slicer_app.mrmlScene.AddNewNodeByClass("vtkMRMLTransformNode")
    bent.SetAndObserveTransformToParent(bend)
    node.SetAndObserveTransformNodeID(bent.GetID())
    with pytest.raises(ImageError, match="bends"):
        scene.write_volume(node, tmp_path / "scan.nrrd")
    assert not list(tmp_path.iterdir())


# --- into the scene --------------------------------------------------------------------------------------------------


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


# --- subject hierarchy, several studies ------------------------------------------------------------------------------


def test_the_result_stands_beside_its_scan_in_its_study(scene, slicer_app, add_volume, place_in_study):
    hierarchy = slicer_app.mrmlScene.GetSubjectHierarchyNode()
    volumes = {}
    for patient, study in (("A", "before"), ("A", "after"), ("B", "only")):
        volumes[study] = add_volume(made_head(), study)
        place_in_study(volumes[study], patient, study)
    for study in ("after", "only"):
        node = scene.new_segmentation(volumes[study], "Glands")
        scene.put_segments(node, made_glands(made_head()), volumes[study])
        parent = hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node))
        assert hierarchy.GetItemName(parent) == study
        assert hierarchy.GetItemLevel(parent) == "Study"


def test_a_segmentation_that_a_person_has_filed_stays_there(scene, slicer_app, add_volume, place_in_study):
    hierarchy = slicer_app.mrmlScene.GetSubjectHierarchyNode()
    volume = add_volume(made_head())
    place_in_study(volume, "A", "scan")
    node = slicer_app.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    folder = hierarchy.CreateFolderItem(hierarchy.GetSceneItemID(), "My contours")
    hierarchy.CreateItem(folder, node)
    scene.put_segments(node, made_glands(made_head()), volume)
    assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)) == folder


def test_the_dicom_files_of_a_volume_are_found(scene, add_volume, dicom_database, tmp_path):
    head = made_head()
    files = write_dicom_series(tmp_path / "ct", head)
    dicom_database.addFolder(tmp_path)
    volume = add_volume(head)
    assert scene.dicom_files(volume) == []
    volume.SetAttribute("DICOM.instanceUIDs", " ".join(f"2.25.1001.{index + 1}" for index in range(head.GetDepth())))
    assert scene.dicom_files(volume) == files
    files[3].unlink()
    assert scene.dicom_files(volume) == []


# --- undo, reset, review ---------------------------------------------------------------------------------------------


def test_undo_brings_the_former_segments_back(scene, slicer_app, add_volume):
    from ParotidSegLib.in_slicer import undo

    head = made_head()
    volume = add_volume(head)
    node = scene.new_segmentation(volume, "Mine")
    add_ball(slicer_app, node, "Parotid_R", centre=(10, 20, 10), radius=12.0, grid=head)
    node.GetSegmentation().GetSegment("Parotid_R").SetName("drawn by hand")
    drawn = values(scene.gland_labels(node, volume))
    assert not undo.can_undo(node)
    scene.put_segments(node, made_glands(head), volume)
    assert undo.undo(node)
    assert node.GetSegmentation().GetSegmentIDs() == ("Parotid_R",)
    assert node.GetSegmentation().GetSegment("Parotid_R").GetName() == "drawn by hand"
    np.testing.assert_array_equal(values(scene.gland_labels(node, volume)), drawn)
    assert not undo.undo(node)
    assert undo.redo(node)
    np.testing.assert_array_equal(values(scene.gland_labels(node, volume)), values(made_glands(head)))


def test_what_is_kept_with_the_contours_goes_back_and_forth_with_them(scene, slicer_app, add_volume):
    from ParotidSegLib.in_slicer import undo
    from ParotidSegLib.in_slicer.results import keep_report, report_of

    head = made_head()
    volume = add_volume(head)
    node = scene.new_segmentation(volume, "Mine")
    node.SetAttribute("Other.module", "left alone")
    scene.put_segments(node, made_glands(head), volume)
    keep_report(node, {"run": 1})
    mirrored = sitk.Flip(made_glands(head), (True, False, False))
    mirrored.CopyInformation(head)
    scene.put_segments(node, mirrored, volume)
    keep_report(node, {"run": 2})
    second = values(scene.automatic_labels(node, volume))
    undo.undo(node)
    assert report_of(node) == {"run": 1}
    np.testing.assert_array_equal(values(scene.automatic_labels(node, volume)), values(made_glands(head)))
    undo.undo(node)
    assert report_of(node) == {}
    assert scene.automatic_labels(node, volume) is None
    undo.redo(node)
    undo.redo(node)
    assert report_of(node) == {"run": 2}
    np.testing.assert_array_equal(values(scene.automatic_labels(node, volume)), second)
    assert node.GetAttribute("Other.module") == "left alone"


def test_the_segment_editors_own_undo_serves_while_it_edits_the_node(scene, slicer_app, add_volume):
    head = made_head()
    volume = add_volume(head)
    node = scene.new_segmentation(volume, "Mine")
    editor = slicer_app.vtkSlicerSegmentEditorLogic()
    editor.SetMRMLScene(slicer_app.mrmlScene)
    editor.SetSegmentEditorNode(slicer_app.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentEditorNode"))
    editor.SetSegmentationNode(node)
    editor.SetSourceVolumeNode(volume)
    scene.put_segments(node, made_glands(head), volume, save_for_undo=editor.SaveStateForUndo)
    assert editor.CanUndo()
    editor.Undo()
    assert node.GetSegmentation().GetNumberOfSegments() == 0


def test_one_gland_is_reset_to_the_automatic_contour_also_from_a_saved_scene(scene, slicer_app, add_volume, tmp_path):
    head = oblique_head()
    glands = made_glands(head)
    volume = add_volume(head, "CT")
    node = scene.new_segmentation(volume, "Glands")
    scene.put_segments(node, glands, volume)
    assert not scene.is_edited(node, volume)
    slicer_app.util.saveScene(str(tmp_path / "scene.mrb"))
    slicer_app.mrmlScene.Clear(True)
    slicer_app.util.loadScene(str(tmp_path / "scene.mrb"))
    volume, node = slicer_app.util.getNode("CT"), slicer_app.util.getNode("Glands")
    assert not scene.is_edited(node, volume)
    for structure in PAROTIDS:
        node.GetSegmentation().ClearSegment(structure.key)
    assert scene.is_edited(node, volume)
    scene.reset_glands(node, volume, [LEFT_PAROTID])
    expected = values(glands)
    expected[expected == RIGHT_PAROTID.label] = 0
    np.testing.assert_array_equal(values(scene.gland_labels(node, volume)), expected)


def test_without_automatic_contours_there_is_nothing_to_reset_to(scene, add_volume):
    from ParotidSegLib.in_slicer import automatic

    head = made_head()
    volume = add_volume(head)
    node = scene.new_segmentation(volume, "Glands")
    for attribute in (None, "", "no such text", "AAAA"):
        node.SetAttribute(automatic.ATTRIBUTE, attribute)
        with pytest.raises(ImageError, match="segment it first"):
            scene.reset_glands(node, volume)
    scene.put_segments(node, made_glands(head), volume)
    with pytest.raises(ImageError, match="segment it first"):
        scene.reset_glands(node, add_volume(made_head((30, 30, 10)), "other"))


def test_the_table_measures_what_is_drawn_now(scene, add_volume, add_transform):
    head = oblique_head()
    glands = made_glands(head)
    volume = add_volume(head)
    node = scene.new_segmentation(volume, "Glands")
    scene.put_segments(node, glands, volume)
    for row in scene.gland_table(node, volume):
        inside = values(glands) == row.structure.label
        assert row.volume_ml == pytest.approx(inside.sum() * 5 * 5 * 6 / 1000)
        assert row.mean_hu == pytest.approx(values(head)[inside].mean())
        np.testing.assert_allclose(row.centre, middle_of(glands, row.structure.label), atol=3.0)
    shift = np.eye(4)
    shift[:3, 3] = (100, 0, 0)
    volume.SetAndObserveTransformNodeID(add_transform(shift).GetID())
    node.SetAndObserveTransformNodeID(volume.GetTransformNodeID())
    moved = scene.gland_table(node, volume)[0]
    np.testing.assert_allclose(np.subtract(moved.centre, (100, 0, 0)), middle_of(glands, 1), atol=3.0)


def test_an_edit_is_measured_as_what_it_added_and_took_away(scene, add_volume):
    head = made_head()
    before, after = made_glands(head), made_glands(head)
    array = values(after).astype(np.uint8)
    inside = np.argwhere(array == 1)
    array[tuple(inside[:3].T)] = 0
    outside = np.argwhere(array == 0)
    array[tuple(outside[:5].T)] = 2
    change = scene.difference_ml(before, like(head, array))
    assert change["Parotid_R"].removed_ml == pytest.approx(3 * 0.15)
    assert change["Parotid_R"].added_ml == 0.0
    assert change["Parotid_L"].added_ml == pytest.approx(5 * 0.15)


def test_a_node_of_a_closed_scene_is_noticed(scene, slicer_app, add_volume):
    volume = add_volume(made_head())
    node = scene.new_segmentation(volume, "Glands")
    assert scene.is_in_scene(volume)
    assert not scene.is_in_scene(None)
    slicer_app.mrmlScene.RemoveNode(node)
    assert not scene.is_in_scene(node)
    slicer_app.mrmlScene.Clear()
    assert not scene.is_in_scene(volume)


def test_surfaces_are_shown_and_hidden(scene, add_volume):
    head = made_head()
    volume = add_volume(head)
    node = scene.new_segmentation(volume, "Glands")
    scene.put_segments(node, made_glands(head), volume)
    scene.show_3d(node, True)
    assert node.GetClosedSurfaceInternalRepresentation("Parotid_L").GetNumberOfPoints() > 50
    scene.put_segments(node, made_glands(head), volume)
    assert node.GetClosedSurfaceInternalRepresentation("Parotid_L") is not None
    scene.show_3d(node, False)
    assert node.GetClosedSurfaceInternalRepresentation("Parotid_L") is None
