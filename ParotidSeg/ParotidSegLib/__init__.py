"""ParotidSeg: the right and the left parotid gland in head-and-neck CT.

    from ParotidSegLib import read_image, segment
    result = segment(read_image("ct.nii.gz"))
    print(result.volumes_ml)

Importing this package loads nothing but the standard library: the public names come at first use (PEP 562), and with
them numpy and SimpleITK; the engines and the plotting library load when they are needed.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from .version import __version__

if TYPE_CHECKING:
    from .correcting.propagation import Propagation, propagate
    from .correcting.suggestion import Suggestion, suggest
    from .dose.reading import read_dose
    from .errors import ParotidSegError
    from .model.bundle import Bundle, load_bundle, shipped_bundles
    from .reading.contours.reader import read_contours
    from .reading.images import read_image
    from .reviewing.review import review
    from .segmentation import Segmentation, open_model, segment
    from .structures import LEFT_PAROTID, PAROTIDS, RIGHT_PAROTID
    from .writing.dicom_export import export_dicom
    from .writing.export import write_segmentation
    from .writing.preview import draw_preview

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
    "read_contours",
    "read_dose",
    "read_image",
    "review",
    "segment",
    "shipped_bundles",
    "suggest",
    "write_segmentation",
]

#: Where each public name is defined.
_HOME = {
    "LEFT_PAROTID": "structures",
    "PAROTIDS": "structures",
    "RIGHT_PAROTID": "structures",
    "Bundle": "model.bundle",
    "ParotidSegError": "errors",
    "Propagation": "correcting.propagation",
    "Segmentation": "segmentation",
    "Suggestion": "correcting.suggestion",
    "draw_preview": "writing.preview",
    "export_dicom": "writing.dicom_export",
    "load_bundle": "model.bundle",
    "open_model": "segmentation",
    "propagate": "correcting.propagation",
    "read_contours": "reading.contours.reader",
    "read_dose": "dose.reading",
    "read_image": "reading.images",
    "review": "reviewing.review",
    "segment": "segmentation",
    "shipped_bundles": "model.bundle",
    "suggest": "correcting.suggestion",
    "write_segmentation": "writing.export",
}


def __getattr__(name: str) -> object:
    """A public name, at its first use; AttributeError for any other."""
    if name not in _HOME:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    found = getattr(import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
