"""Training and judging from inside 3D Slicer: the commands as child processes, their figures as nodes of the scene."""
