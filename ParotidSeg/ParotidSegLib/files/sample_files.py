"""Where the sample lies: the average anatomy of 160 patients, a CT that is no patient's, with its contours."""

from __future__ import annotations

from pathlib import Path

CT, CONTOURS = "average_anatomy_ct.nii.gz", "average_anatomy_parotids.seg.nrrd"


def sample_file(name: str = CT) -> Path:
    """The path of `CT` or `CONTOURS`, in an installed package and in the tree of the Slicer module alike.

    Raises:
        FileNotFoundError: the installation is incomplete.
    """
    library = Path(__file__).resolve().parents[1]
    for folder in (library / "sample_data", library.parent / "Resources" / "SampleData"):
        if (folder / name).is_file():
            return folder / name
    raise FileNotFoundError(f"{name} is missing in this installation")
