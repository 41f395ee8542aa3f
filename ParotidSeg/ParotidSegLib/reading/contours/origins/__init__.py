"""Where contours come from: DICOM segmentations, and files of labels."""
