"""What takes a while, as jobs that are polled: a segmentation, several, DICOM; and the batch."""
