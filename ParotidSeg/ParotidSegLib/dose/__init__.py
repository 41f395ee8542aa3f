"""Dose: reading it, and what a gland receives of it."""
