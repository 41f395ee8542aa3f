"""Is a file that cannot be read a damaged image of a series, or something else that only lies in its folder?"""

from __future__ import annotations

import re
from pathlib import Path

#: Classes of images by modality (plain, enhanced, converted), below the root that they share.
_ROOT = "1.2.840.10008.5.1.4.1.1."
_CLASSES = {"CT": ("2", "2.1", "2.2"), "MR": ("4", "4.1", "4.3", "4.4"), "PT": ("128", "128.1", "130")}
_SUFFIXES = (".dcm", ".ima")


def is_damaged_image(path: Path, modality: str) -> bool:
    """Whether a file that cannot be read claims to be an image, or is cut off before it could say what it is.

    Args:
        path: the file.
        modality: as DICOM codes it; "OT" is an image of any.
    """
    try:
        with path.open("rb") as file:
            start = file.read(1024)
    except OSError:
        return path.suffix.lower() in _SUFFIXES
    if start[128:132] != b"DICM":
        return len(start) < 132 and path.suffix.lower() in _SUFFIXES
    # MediaStorageSOPClassUID (0002,0002) of the file meta information, which is always explicit little endian.
    found = re.search(rb"\x02\x00\x02\x00UI(..)([0-9.]+)", start, re.DOTALL)
    wanted = _CLASSES.get(modality) or [kind for kinds in _CLASSES.values() for kind in kinds]
    return found is None or found[2].decode("ascii") in [_ROOT + kind for kind in wanted]
