"""Draws the figures of the stored results again from the stored numbers: ``python -m scripts.redraw [STUDY ...]``.

It is for changes of the figures: what was measured stays as it was stored. A study whose figure also shows its arms'
files, such as curves over training, keeps its figure; it is drawn again when its command is given again where its arms
are (rl_rewards/studies/README.md).
"""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Never

from rl_rewards.command_line.choices import list_choices, study_name
from rl_rewards.command_line.compose import composed
from rl_rewards.loop.build import build_study
from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.studies.base import Findings
from scripts.verdict_table import RESULTS, stored_studies


class ArmsNeededError(LookupError):
    """A figure reads the files of an arm, which are not stored."""


class ArmsNotStored(Mapping[str, RunFiles]):
    """The arms of a stored study, whose files are gone; a figure that asks for one cannot be drawn."""

    def __getitem__(self, name: str) -> Never:
        raise ArmsNeededError(name)

    def __iter__(self) -> Iterator[str]:
        raise ArmsNeededError("all")

    def __len__(self) -> int:
        raise ArmsNeededError("all")


def redrawn(record: Mapping[str, Any], experiment: str, path: Path) -> bool:
    """Draw the figure of a stored study to ``path``; return False if that needs the files of its arms."""
    study, _ = build_study(composed([f"experiment={experiment}", f"size={record['size']}"]))
    try:
        study.draw(ArmsNotStored(), Findings([], record["details"]), path)
    except ArmsNeededError:
        return False
    return True


def main(names: list[str], results: Path = RESULTS) -> None:
    """Draw the named studies' figures, or all, and say which stay as they are."""
    experiments = {study_name(one): one for one in list_choices("experiment")}
    stored = dict(stored_studies(results))
    unknown = sorted(set(names) - {path.stem for path in stored})
    if unknown:
        raise SystemExit(
            f"{unknown[0]} is not a stored study of {results.name}; the stored ones are "
            f"{', '.join(path.stem for path in stored)}."
        )
    for path, record in stored.items():
        if path.stem not in experiments or (names and path.stem not in names) or "details" not in record:
            continue
        done = redrawn(record, experiments[path.stem], path.with_suffix(".png"))
        print(f"{path.stem}: {'drawn again' if done else 'its figure needs the files of its arms'}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
