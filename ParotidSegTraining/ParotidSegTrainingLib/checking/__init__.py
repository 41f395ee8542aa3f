"""What usually goes wrong with a data set, found before training does."""
