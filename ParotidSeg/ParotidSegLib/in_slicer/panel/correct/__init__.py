"""Correcting: the Segment Editor, carrying corrections on, the list of corrected slices."""
