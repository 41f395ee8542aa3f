"""What the user sees: the panel and its sections. The only place that knows Qt."""
