"""How two contours differ."""
