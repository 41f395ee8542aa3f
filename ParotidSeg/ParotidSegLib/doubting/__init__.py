"""Where a contour is doubtful, whoever drew it."""
