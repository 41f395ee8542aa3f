"""A correction of some slices carried to the rest of a gland, and which slice to look at next."""
