"""A trained model and running it: bundles, engines, what a network takes and gives."""
