"""One page of the lecture: its claims in its own order, each with its outcome, figure, seeds and command."""

import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from rl_rewards.command_line.choices import CONFIGS, head_comments, study_name, time_of
from rl_rewards.core.errors import ConfigError
from rl_rewards.lecture.chapters import CHAPTERS, Chapter
from rl_rewards.reporting.find_runs import StudyFiles
from rl_rewards.reporting.page import write_page
from rl_rewards.reporting.stored_claims import count_outcomes
from rl_rewards.reporting.study_words import StudyWords, study_words
from rl_rewards.studies.question import question_of

Files = Callable[[str], tuple[Path, Path]]
"""An experiment, without ``lecture/`` -> the paths of its verdict and of its figure, which may not exist."""


class Section(NamedTuple):
    """One study on the page."""

    anchor: str
    question: str  # the first line of its configuration
    words: StudyWords
    run_it: str  # the command that measures it
    minutes: str  # about how long that takes with size=small; empty if not known
    records: list[dict]  # its stored verdicts; empty if it was not run
    outcomes: list[str]  # of its claims, for the table of contents


def of_runs(folder: Path, size: str) -> Files:
    """Return where the studies that were run on this machine have their files, below ``folder``."""

    def files(experiment: str) -> tuple[Path, Path]:
        own = folder / f"{study_name(f'lecture/{experiment}')}-{size}"
        return own / "verdict.json", own / "verdict.png"

    return files


def of_stored(folder: Path) -> Files:
    """Return where the published results are.

    Raises:
        ConfigError: if there are none, as in an installed package.
    """
    if not folder.is_dir():
        raise ConfigError(f"{folder} does not exist; only a checkout of the repository has the published results.")

    def files(experiment: str) -> tuple[Path, Path]:
        name = study_name(f"lecture/{experiment}")
        return folder / f"{name}.json", folder / f"{name}.png"

    return files


def write_lecture(path: Path, files: Files, size: str, told: Sequence[str] = ()) -> None:
    """Write the page.

    Args:
        files: where the verdicts are; a study without one is listed with its command.
        size: of the commands that are shown.
        told: what the reader should know, a sentence each.

    Raises:
        ConfigError: if a verdict cannot be read.
    """
    chapters = [(chapter.title, list(_sections(chapter, files, size, path))) for chapter in CHAPTERS]
    sections = [one for _, found in chapters for one in found]
    records = [record for one in sections for record in one.records]
    missing = sum(not one.outcomes for one in sections)
    headline = f"The lecture: {count_outcomes(records)}" if records else "The lecture: nothing was measured yet"
    if missing:
        told = [*told, f"{missing} of {len(sections)} studies have not been run; their commands are below."]
    write_page(path, "lecture.html.j2", {"headline": headline, "told": told, "chapters": chapters})


def _sections(chapter: Chapter, files: Files, size: str, page: Path) -> Iterator[Section]:
    for experiment in chapter.experiments:
        verdict, picture = files(experiment)
        record = _read(verdict)
        study = StudyFiles(verdict.parent, record, picture if record and picture.is_file() else None)
        config = CONFIGS / "experiment" / "lecture" / f"{experiment}.yaml"
        link = Path(os.path.relpath(verdict.resolve(), page.resolve().parent)).as_posix()
        words = study_words(study, experiment, link, _asked(config))
        yield Section(
            anchor=experiment.replace("/", "-"),
            question=head_comments(config)[0],
            words=words,
            run_it=f"python -m rl_rewards.run experiment=lecture/{experiment} size={size}",
            minutes=time_of(f"lecture/{experiment}"),
            records=[one for one in record.get("verdicts", []) if isinstance(one, dict)],
            outcomes=[one.kind for one in words.verdicts],
        )


def _asked(config: Path) -> str:
    """Return what the study of a configuration asks, in two sentences."""
    named = re.search(r"_target_: (rl_rewards\.lecture\.[\w.]+)\.\w+", config.read_text(encoding="utf-8"))
    return question_of(named[1]) if named else ""


def _read(path: Path) -> dict:
    if not path.is_file():
        return {}
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ConfigError(f"{path} is damaged ({error}); delete it, and start its study again.") from error
    return record if isinstance(record, dict) else {}
