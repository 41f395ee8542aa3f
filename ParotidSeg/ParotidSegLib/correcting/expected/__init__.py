"""One gland as its corrected slices let expect it."""
