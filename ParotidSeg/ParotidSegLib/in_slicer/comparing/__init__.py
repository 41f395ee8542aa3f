"""Contours beside other ones: which segments are meant, how far they differ and where, and what that means in Gy."""
