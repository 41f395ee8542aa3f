"""How the views show the scene: the CT in the slice views, the glands' eye, fill and outline. MRML, no Qt."""
