"""Data sets on disk: images, masks, splits and structures."""
