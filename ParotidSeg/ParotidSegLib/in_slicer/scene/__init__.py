"""The scene: volumes, segmentations and what they remember. MRML, no Qt."""
