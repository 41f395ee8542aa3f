"""What runs inside 3D Slicer: the scene, the worker process, installing an engine, the panel."""
