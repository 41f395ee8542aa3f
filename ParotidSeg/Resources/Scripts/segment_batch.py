"""Contour all scans of a folder, or of Slicer's DICOM database, without a window.

    Slicer --no-splash --no-main-window --python-script segment_batch.py FOLDER --output RESULTS
    Slicer --no-splash --no-main-window --python-script segment_batch.py --dicom-database --output RESULTS

The options and exit codes are those of `parotidseg batch`; --help lists them.
"""

import sys

import slicer
import slicer.util

from ParotidSegLib.in_slicer.batch import main

slicer.util.exit(main(sys.argv[1:]))
