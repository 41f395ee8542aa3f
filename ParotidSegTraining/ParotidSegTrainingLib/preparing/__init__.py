"""From scans and contours of any source to a data set."""
