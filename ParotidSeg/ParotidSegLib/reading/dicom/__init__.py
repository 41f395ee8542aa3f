"""DICOM images: the walk over a file, its header, which images are slices, the grid that they form, their pixels."""
