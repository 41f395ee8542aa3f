"""Results as files: label maps, segmentations, pictures, DICOM."""
