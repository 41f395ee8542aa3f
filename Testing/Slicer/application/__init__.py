"""The 3D Slicer application for tests: real MRML and module logics of the slicer-core wheel, started as Slicer does.

Only what needs the Qt application is a stand-in, and only as much of it as the modules of this extension use: any
other name fails, so that a wrong one in the code under test fails too. `start.start()` is the entry.
"""
