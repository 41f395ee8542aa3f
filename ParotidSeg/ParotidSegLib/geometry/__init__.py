"""Space, without any knowledge of glands or files: grids, sampling, surfaces, outlines."""
