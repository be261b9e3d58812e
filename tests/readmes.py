"""The pages that a person may open, and the commands that stand in them."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    ROOT.joinpath(name) for name in ("README.md", "CONTRIBUTING.md", "configs/README.md", "scripts/README.md")
)
PAGES += [*sorted((ROOT / "rl_rewards").rglob("README.md")), *sorted((ROOT / "scripts").glob("*/README.md"))]

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
_INLINE = re.compile(r"`([^`]+)`")
_COMMAND = re.compile(r"(?:[A-Z_]+=\S+ )*(?:python|make|ssh|pip|wandb|source|export|\.ci/run)(?: |$)")
RUN = re.compile(r"(?:[A-Z_]+=\S+ )*python -m rl_rewards\.run (.*)")


def commands(page: Path) -> list[str]:
    """Return every command of a page, without its comment: the lines of its bash blocks, and those in its text."""
    text = page.read_text(encoding="utf-8")
    lines = [line for language, block in _BLOCK.findall(text) if language == "bash" for line in block.splitlines()]
    inline = [" ".join(code.split()) for code in _INLINE.findall(_BLOCK.sub("", text))]
    found = [re.sub(r"\s+#\s.*", "", line).strip() for line in [*lines, *filter(_COMMAND.match, inline)]]
    return list(dict.fromkeys(filter(None, found)))


def python_blocks(page: Path) -> list[str]:
    """Return the Python code that a page shows."""
    return [block for language, block in _BLOCK.findall(page.read_text(encoding="utf-8")) if language == "python"]


def all_commands() -> list[str]:
    """Return the commands of all pages, each once."""
    return sorted({command for page in PAGES for command in commands(page)})
