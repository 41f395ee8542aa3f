"""Corrected slices in the scene: kept, carried on, taken back, and which to look at next. No Qt."""
