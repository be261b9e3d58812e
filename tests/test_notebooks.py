"""The notebooks of scripts/examples: they run in Jupyter as they stand, and what is stored in them is complete."""

import re
import shutil

import nbformat
import pytest
from nbclient import NotebookClient

import rl_rewards
from tests.readmes import ROOT

FOLDER = ROOT / "scripts" / "examples"
NOTEBOOKS = ("reward_from_examples.ipynb", "reward_from_comparisons.ipynb")
LEARNED = (
    (NOTEBOOKS[0], "eval/success", 0.5),
    pytest.param(NOTEBOOKS[1], "reward/heldout_accuracy", 0.6, marks=pytest.mark.long),
)
"""What each of them must have reached at its end."""
LARGEST = 200_000  # bytes, with figures
LINK = re.compile(r"\]\(([^)#\s]+)\)")


def read(name: str):
    return nbformat.read(FOLDER / name, as_version=4)


def outputs(notebook) -> list:
    return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]


def test_all_notebooks_are_tested():
    assert {path.name for path in FOLDER.glob("*.ipynb")} == set(NOTEBOOKS)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_what_is_stored_can_be_read_without_running_it(name):
    notebook = read(name)
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1)), "stored after one run, in order"
    assert all(cell.outputs for cell in cells)
    shown = outputs(notebook)
    assert sum("image/png" in one.get("data", {}) for one in shown) >= 3
    assert any("<svg" in one.data["text/html"] for one in shown if "text/html" in one.get("data", {})), "the card"
    assert not [one for one in shown if one.output_type == "error" or one.get("name") == "stderr"]
    text = (FOLDER / name).read_text(encoding="utf-8")
    assert len(text) < LARGEST and not re.search(r"/(tmp|home|root|work|Users)/", text), "no path of a machine"


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_links_lead_somewhere(name):
    links = [link for cell in read(name).cells if cell.cell_type == "markdown" for link in LINK.findall(cell.source)]
    assert links and all((FOLDER / link).exists() for link in links), links


@pytest.mark.slow
@pytest.mark.optimised
@pytest.mark.parametrize(("name", "metric", "least"), LEARNED, ids=NOTEBOOKS)
def test_a_notebook_runs_in_a_kernel_and_learns(name, metric, least, tmp_path):
    """It runs beside the example files that it names. Bits of another machine may change what 150 answers lead to."""
    shutil.copytree(FOLDER / "configs", tmp_path / "configs")
    shutil.copy(FOLDER / "own_taste.py", tmp_path)
    notebook = read(name)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert any("<svg" in one.data["text/html"] for one in outputs(notebook) if "text/html" in one.get("data", {}))
    (folder,) = (path.parent for path in tmp_path.glob("outputs/*/*/DONE"))
    run = rl_rewards.Run(folder)
    assert run.metrics[metric].iloc[-1] > least, run.outcome
    assert run.report is not None
