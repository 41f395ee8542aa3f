"""What stands below the table of the review: how the glands are shown, and who has been reviewed."""
