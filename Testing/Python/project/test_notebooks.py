"""The notebooks run from the first cell to the last, in a short form."""

from __future__ import annotations

from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[3] / "Documentation" / "Notebooks").glob("*.ipynb"))

#: Takes the place of the settings: three patients, a tiny network, two short epochs.
SHORT = """
from pathlib import Path

DATA = None
WORK = Path("short")
RECIPE = {recipe!r}
CHANGES = {{
    "preprocessing.spacing": [6.0, 6.0, 6.0],
    "tile": [16, 24, 32],
    "network_config.filters": [4, 8],
    "sampling": {{"anchor": "midpoint", "jitter": [6.0, 6.0, 6.0], "foreground_share": 1.0}},
    "optimisation.learning_rate": 0.01,
    "optimisation.steps_per_epoch": 8,
    "optimisation.epochs": 2,
    "precision": "float32",
}}
PATIENTS = 4
"""


def test_there_is_one_for_each_network():
    assert [path.stem for path in NOTEBOOKS] == ["attention", "baseline"]


@pytest.mark.engine
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_from_data_to_the_agreement_plot(path, tmp_path):
    pytest.importorskip("tensorflow")
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    notebook = nbformat.read(path, as_version=4)
    assert all(not cell.outputs and cell.execution_count is None for cell in notebook.cells if cell.cell_type == "code")
    (settings,) = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    recipe = next(line.split('"')[1] for line in settings.source.splitlines() if line.startswith("RECIPE"))
    settings.source = SHORT.format(recipe=recipe)
    client = nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}})
    client.execute()
    pictures = [
        output for cell in notebook.cells for output in cell.get("outputs", []) if "image/png" in output.get("data", {})
    ]
    assert len(pictures) == 3  # a case, the curves, the agreement
    texts = [
        output["data"].get("text/markdown", "")
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if "data" in output
    ]
    assert any("Dice" in text for text in texts)
    assert any("bias" in text for text in texts)
    assert (tmp_path / "short" / "results" / "bland_altman.png").is_file()
