"""Many scans: which, by whom they are done, how far, and the table of their results."""
