"""What pictures of a scan are drawn with."""
