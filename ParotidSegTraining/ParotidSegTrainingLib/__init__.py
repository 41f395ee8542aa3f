"""Training, evaluation and agreement statistics for ParotidSeg."""
