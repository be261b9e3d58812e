"""READMEs: the main pages stay short, links have targets, and every printed command composes."""

import re
import shlex
from pathlib import Path

import pytest

from tests.runs import composed

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    ROOT.joinpath(name) for name in ("README.md", "CONTRIBUTING.md", "configs/README.md", "scripts/README.md")
)
PAGES += [*sorted((ROOT / "rl_rewards").glob("*/README.md")), *sorted((ROOT / "scripts").glob("*/README.md"))]
LARGEST = {"README.md": 12 * 1024, "CONTRIBUTING.md": 8 * 1024}  # bytes
LINK = re.compile(r"\]\(([^)#\s]*)(#[^)\s]*)?\)")
RUN = re.compile(r"python -m rl_rewards\.run ([^`\n#]*)")
NOT_A_RUN = ("--config-dir", "resume=", "--help", "NAME")  # commands that do not compose a run from this repository


def _anchors(page: Path) -> set[str]:
    """Return the anchors of a page that a link can name, as GitHub derives them from headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {"#" + re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _commands() -> list[str]:
    found = {line.strip() for page in PAGES for line in RUN.findall(page.read_text(encoding="utf-8"))}
    return sorted(line for line in found if not any(word in line for word in NOT_A_RUN))


@pytest.mark.parametrize("page", LARGEST)
def test_the_first_pages_stay_short(page):
    assert (ROOT / page).stat().st_size < LARGEST[page]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for target, anchor in LINK.findall(page.read_text(encoding="utf-8")):
        if target.startswith("http"):
            continue
        there = page.parent / target if target else page
        assert there.exists(), target
        assert not anchor or anchor in _anchors(there), target + anchor


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_programs_that_a_page_names_are_there(page):
    text = page.read_text(encoding="utf-8")
    for module in re.findall(r"python -m ((?:rl_rewards|scripts)\.[\w.]*\w)", text):
        there = ROOT.joinpath(*module.split("."))
        assert there.with_suffix(".py").is_file() or (there / "__main__.py").is_file(), module
    for script in re.findall(r"python (scripts/\w+\.py)", text):
        assert (ROOT / script).is_file(), script
    targets = {
        word.split()[0]
        for word in re.findall(
            r"\bmake ((?:run|check|test-long|test|format|lint|type|setup|bench|judge-local)\b)", text
        )
    }
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert targets <= set(re.findall(r"^([a-z-]+):", makefile, flags=re.MULTILINE))


@pytest.mark.parametrize("line", _commands())
def test_a_printed_command_composes(line):
    words = [
        re.sub("^pretrain=", "pretrain.run=", word) for word in shlex.split(line)
    ]  # the command line accepts this short form
    sweep = "--multirun" in words
    words = [re.sub(",.*", "", word) if sweep else word for word in words if not word.startswith("--")]
    words = [word for word in words if word != "job" and not word.startswith("hydra")]
    composed(*words)
