"""The review: the table of the glands, how they are shown, and which of them a person has reviewed."""
