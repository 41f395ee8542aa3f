"""What has to be installed before a run, and how that goes."""
