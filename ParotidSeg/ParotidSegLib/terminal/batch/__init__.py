"""Many scans, one after the other: which, how far, and the table of their results."""
