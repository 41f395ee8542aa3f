"""Image files that are no DICOM: which format they have, whether they are plain, and what NIfTI lets pass."""
