"""Contours that someone has: structure sets, masks and the names of regions."""
