"""The dose of the plan beside the contours: which volume holds it, and what the glands receive of it."""
