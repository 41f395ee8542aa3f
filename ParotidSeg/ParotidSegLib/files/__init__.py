"""Files, without any knowledge of images."""
