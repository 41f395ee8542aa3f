"""The command line, which is also the worker of the Slicer module."""
