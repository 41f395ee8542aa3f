"""The average anatomy: the sample that ships."""
