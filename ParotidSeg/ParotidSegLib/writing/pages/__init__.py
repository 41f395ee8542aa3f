"""Results as self-contained HTML pages, and what is drawn for them."""
