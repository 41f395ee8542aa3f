"""ParotidSeg: the right and the left parotid gland in head-and-neck CT.

    from ParotidSegLib import read_image, segment
    result = segment(read_image("ct.nii.gz"))
    print(result.volumes_ml)

Importing this package loads numpy and SimpleITK only; the engines and the plotting library load at first use.
"""

from __future__ import annotations

from .bundle import Bundle, load_bundle, shipped_bundles
from .correcting.propagation import Propagation, propagate
from .correcting.suggestion import Suggestion, suggest
from .dicom_export import export_dicom
from .errors import ParotidSegError
from .export import write_segmentation
from .images import read_image
from .preview import draw_preview
from .segmentation import Segmentation, open_model, segment
from .structures import LEFT_PAROTID, PAROTIDS, RIGHT_PAROTID
from .version import __version__

__all__ = [
    "LEFT_PAROTID",
    "PAROTIDS",
    "RIGHT_PAROTID",
    "Bundle",
    "ParotidSegError",
    "Propagation",
    "Segmentation",
    "Suggestion",
    "__version__",
    "draw_preview",
    "export_dicom",
    "load_bundle",
    "open_model",
    "propagate",
    "read_image",
    "segment",
    "shipped_bundles",
    "suggest",
    "write_segmentation",
]
