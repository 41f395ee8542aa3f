"""Contour all scans of a folder, or of Slicer's DICOM database, without a window.

    Slicer --no-splash --no-main-window --python-script segment_batch.py FOLDER --output RESULTS
    Slicer --no-splash --no-main-window --python-script segment_batch.py --dicom-database --output RESULTS

The options and exit codes are those of `parotidseg batch`; --options lists them (Slicer takes --help for itself).
"""

import sys

import slicer
import slicer.util

code = 1
try:
    from ParotidSegLib.in_slicer.running.batch import main

    code = main(sys.argv[1:])
finally:  # whatever happened: without a window nobody could end the application
    slicer.util.exit(code)
