"""Grab the panel in its states into Resources/Screenshots: real runs on the sample, on stand-ins for the widgets.

make screenshots
python Testing/Slicer/make_screenshots.py --dark --into FOLDER    # to look at the dark theme
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
import slicer
import widgets
from application.fixtures import volume_from_image
from application.scripted import load_scripted_module
from application.start import start

REPOSITORY = Path(__file__).resolve().parents[2]
SCREENSHOTS = REPOSITORY / "Resources" / "Screenshots"
SAMPLES = REPOSITORY / "ParotidSeg" / "Resources" / "SampleData"
WIDTH, SCALE = 400, 1.5


class Photographer:
    """Opens the panel on scenes of its own and grabs it."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._module = load_scripted_module(slicer, REPOSITORY / "ParotidSeg" / "ParotidSeg.py")
        self._widget: Any = None
        self.panel: Any = None

    def open(self, image: sitk.Image | None = None) -> Any:
        """The panel on a scene that holds nothing but this image."""
        if self._widget is not None:
            self._widget.cleanup()
            self._widget.parent.deleteLater()
        slicer.mrmlScene.Clear(True)
        self._widget = self._module.ParotidSegWidget()
        self._widget.enter()
        self.panel = self._widget.panel
        if image is not None:
            volume_from_image(slicer, image, "Average anatomy CT")
        return self.panel

    def run_until(self, condition: Callable[[], bool]) -> None:
        """Let the panel live until something is true."""
        import qt

        deadline = time.monotonic() + 120
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError(self.panel.ui.logText.plainText)
            qt.QApplication.processEvents()
            time.sleep(0.01)

    def run_to_end(self) -> None:
        """Press the button and wait."""
        self.panel.ui.segmentButton.click()
        self.run_until(lambda: not self.panel.run.running)
        self.panel.measure()

    def grab(self, name: str) -> None:
        """Write a picture of the panel, as high as it needs to be."""
        import qt

        if not self.panel.run.running:
            self.panel.measure()
            self.run_until(lambda: not self.panel.compare.is_busy)
        root = self._widget.parent
        for _ in range(3):  # wrapped lines find their height step by step
            qt.QApplication.processEvents()
            layout = root.layout()
            root.resize(WIDTH, max(layout.totalHeightForWidth(WIDTH), layout.totalMinimumSize().height()))
        pixels = qt.QPixmap(root.size * SCALE)
        pixels.setDevicePixelRatio(SCALE)
        root.render(pixels)
        self._target.mkdir(parents=True, exist_ok=True)
        pixels.save(str(self._target / f"{name}.png"))
        print(self._target / f"{name}.png")


def main() -> None:
    """Grab all states."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--into", type=Path, default=SCREENSHOTS, help="folder of the pictures")
    arguments.add_argument("--dark", action="store_true", help="on a dark theme")
    options = arguments.parse_args()
    start()
    widgets.install()
    if options.dark:
        _use_dark_theme()
    photographer = Photographer(options.into)
    ct = sitk.ReadImage(str(SAMPLES / "average_anatomy_ct.nii.gz"))
    labels = sitk.ReadImage(str(SAMPLES / "average_anatomy_parotids.seg.nrrd"))

    photographer.open()
    photographer.grab("empty")

    panel = photographer.open(ct)
    panel.ui.segmentButton.click()
    photographer.run_until(lambda: panel.ui.progressBar.value >= 50 or not panel.run.running)
    photographer.grab("running")
    photographer.run_until(lambda: not panel.run.running)
    panel.measure()
    panel.marks.boxes[0].click()
    photographer.grab("done")

    _correct(panel)
    photographer.grab("correct")

    _compare(photographer, ct)

    panel = photographer.open(ct)
    volume_from_image(slicer, ct, "Follow-up")
    volume_from_image(slicer, ct[:8, :8, :4], "Localizer")
    panel.ui.severalSection.collapsed = False
    panel.ui.severalButton.click()
    photographer.run_until(lambda: not panel.run.running)
    photographer.grab("several")

    middle = int(np.nonzero(sitk.GetArrayViewFromImage(labels))[0].mean())
    photographer.open(ct[:, :, : middle + 3])
    photographer.run_to_end()
    photographer.grab("findings")

    panel = photographer.open(ct + 1024)  # as a converter writes it that forgets the rescale
    photographer.run_to_end()
    panel.ui.logSection.collapsed = False
    photographer.grab("error")

    panel = photographer.open(ct)
    with tempfile.TemporaryDirectory(prefix="models-") as folder:
        damaged = Path(folder) / "my-model"
        shutil.copytree(REPOSITORY / "ParotidSeg" / "ParotidSegLib" / "bundles" / "parotid-ct", damaged)
        described = (damaged / "bundle.json").read_text(encoding="utf-8")
        (damaged / "bundle.json").write_text(described.replace('"parotid-ct"', '"my-model"', 1), encoding="utf-8")
        (damaged / "network.weights.h5").write_bytes(b"not these weights")
        panel.ui.advancedSection.collapsed = False
        panel.parameters.bundle = str(damaged)
        photographer.grab("advanced")


def _use_dark_theme() -> None:
    """The colours of Slicer's style "Dark Slicer"."""
    import qt

    roles = qt.QPalette.ColorRole
    palette = qt.QPalette()
    dark, darker, light = qt.QColor(50, 50, 50), qt.QColor(35, 35, 35), qt.QColor(240, 240, 240)
    for role in (roles.Window, roles.Button, roles.AlternateBase, roles.ToolTipBase):
        palette.setColor(role, dark)
    palette.setColor(roles.Base, darker)
    for role in (roles.WindowText, roles.Text, roles.ButtonText, roles.ToolTipText, roles.BrightText):
        palette.setColor(role, light)
        palette.setColor(qt.QPalette.ColorGroup.Disabled, role, qt.QColor(128, 128, 128))
    palette.setColor(roles.Highlight, qt.QColor(48, 140, 198))
    palette.setColor(roles.HighlightedText, qt.QColor(255, 255, 255))
    qt.QApplication.setPalette(palette)


def _correct(panel: Any) -> None:
    """Paint in two slices, as a person would, with the sections for correcting and exporting open.

    The first is carried on, the second not yet; then the next slice is asked for.
    """
    panel.ui.segmentSection.collapsed = True
    panel.ui.correctSection.collapsed = panel.ui.exportSection.collapsed = False
    _paint(panel, 0)
    panel.ui.carryOnButton.click()
    _paint(panel, 6)
    panel.ui.nextSliceButton.click()
    panel.ui.segmentEditor.setCurrentSegmentID("Parotid_R")


def _compare(photographer: Photographer, ct: sitk.Image) -> None:
    """The average anatomy's own contours as a second reader's, and a made dose that falls off from right to left."""
    panel = photographer.panel
    panel.ui.reviewSection.collapsed = panel.ui.correctSection.collapsed = panel.ui.exportSection.collapsed = True
    panel.ui.compareSection.collapsed = False
    reference, _remarks = panel.logic.loadReference(
        SAMPLES / "average_anatomy_parotids.seg.nrrd", panel.parameters.inputVolume
    )
    reference.SetName("Second reader")
    size = [round(n * step / 5.0) for n, step in zip(ct.GetSize(), ct.GetSpacing(), strict=True)]
    dose = sitk.GetImageFromArray(np.broadcast_to(np.linspace(62.0, 4.0, size[0], dtype=np.float32), size[::-1]).copy())
    dose.SetSpacing([5.0] * 3)
    dose.SetOrigin(ct.GetOrigin())
    volume = volume_from_image(slicer, dose, "Dose of the plan")
    volume.SetAttribute("DicomRtImport.DoseUnitName", "GY")
    panel.parameters.referenceSegmentation, panel.parameters.doseVolume = reference, volume
    photographer.run_until(lambda: not panel._later.active and not panel.compare.is_busy)
    panel.ui.nextDifferenceButton.click()
    photographer.grab("compare")


def _paint(panel: Any, above: int) -> None:
    """Make the right gland wider in a slice, so many above its middle."""
    node, volume = panel.parameters.outputSegmentation, panel.parameters.inputVolume
    voxels = slicer.util.arrayFromSegmentBinaryLabelmap(node, "Parotid_R", volume)
    z, y, x = (int(indices.mean()) for indices in np.nonzero(voxels))
    voxels[z + above, y - 4 : y + 4, x - 5 : x + 5] = 1
    slicer.util.updateSegmentBinaryLabelmapFromArray(voxels, node, "Parotid_R", volume)


if __name__ == "__main__":
    main()
