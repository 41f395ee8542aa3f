"""Dose-volume figures as another reader has them: dicompyler-core, from the same RTSTRUCT and RTDOSE files."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pydicom
import pytest
from made_dicom import ellipsoid_contours, write_structure_set
from made_doses import made_dose, made_grid, write_rtdose

from ParotidSegLib.dose.figures import dose_figures
from ParotidSegLib.dose.reading import read_dose
from ParotidSegLib.reading.contours.reader import read_contours

#: Its newest version asks pydicom for a name that pydicom 3 no longer has.
DICOMPYLER = """
import json, sys
import pydicom, pydicom.dicomio
pydicom.dicomio.read_file = pydicom.dcmread
from dicompylercore import dvhcalc

dvh = dvhcalc.get_dvh(sys.argv[1], sys.argv[2], 1)
volumes = {gy: float(dvh.statistic(f"V{gy}Gy").value) for gy in (20, 30, 40)}
d50 = float(dvh.statistic("D50").value)
print(json.dumps({"mean": dvh.mean, "d50": d50, "volume": dvh.volume, "volumes": volumes}))
"""


def linear(points: np.ndarray) -> np.ndarray:
    return np.clip(35.0 + points @ np.array([0.8, 0.3, 0.1]), 0.0, None)


def gaussian(points: np.ndarray) -> np.ndarray:
    return 60.0 * np.exp(-((points - [-15.0, 0.0, 0.0]) ** 2).sum(-1) / (2.0 * 20.0**2))


@pytest.mark.parametrize("gy", [linear, gaussian])
def test_dicompyler_has_the_same_figures(gy, tmp_path):
    grid = made_grid((180, 180, 45), (0.5, 0.5, 2.0), (-45.0, -45.0, -44.0))
    contours = ellipsoid_contours(grid, (3.0, -4.0, 1.0), (20.0, 15.0, 22.0))
    structures = write_structure_set(tmp_path / "RS.dcm", {"Parotid_R": contours}, frame="2.25.1002")
    dataset = pydicom.dcmread(structures)
    dataset.ROIContourSequence[0].ROIDisplayColor = [255, 0, 0]  # it does not read a region without one
    dataset.save_as(structures)
    # It counts pixels of the dose grid, so that has to be fine; ours need not, but it is the same file.
    dose = write_rtdose(tmp_path / "RD.dcm", made_dose(made_grid((180, 180, 45), (0.5, 0.5, 2.0), (-45, -45, -44)), gy))
    finished = subprocess.run(
        [sys.executable, "-c", DICOMPYLER, structures, dose], check=False, capture_output=True, text=True
    )
    if "No module named 'dicompylercore'" in finished.stderr:
        pytest.skip("dicompyler-core is not installed (pip install 'parotidseg[references]')")
    assert finished.returncode == 0, finished.stderr
    theirs = json.loads(finished.stdout)
    ours = dose_figures(read_dose(dose), read_contours(structures, grid).labels)["Parotid_R"]
    assert ours.mean == pytest.approx(theirs["mean"], abs=0.1)
    assert ours.d50 == pytest.approx(theirs["d50"], abs=0.2)
    assert ours.volume_ml == pytest.approx(theirs["volume"], rel=0.01)
    for key, volume in theirs["volumes"].items():
        assert ours.volume_of_ml[float(key)] == pytest.approx(volume, rel=0.01, abs=0.005 * ours.volume_ml)
