"""The child process that computes, watched: events, endings, time left. Neither Qt nor MRML."""
