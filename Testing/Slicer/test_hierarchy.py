"""Where results stand among patients and studies, and the DICOM files of a volume."""

from __future__ import annotations

from made_images import made_head, write_dicom_series
from made_scene import made_glands


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
