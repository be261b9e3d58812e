"""The choices of every group, and what ``--help`` prints of them. Reads text files only."""

import re
from pathlib import Path
from textwrap import fill

from omegaconf import OmegaConf

_INSTALLED = Path(__file__).parents[1] / "configs"
CONFIGS = _INSTALLED if _INSTALLED.is_dir() else Path(__file__).parents[2] / "configs"
"""The config folder: package data of a wheel, or the checkout's."""

WIDTH = 80  # columns
_ABOUT = """\
Usage: python -m rl_rewards.run [GROUP=CHOICE ...] [KEY=VALUE ...]

Composes an environment, a reward source and a learning algorithm, trains, and
writes a report. Without arguments it runs the main job: an adversarial goal
classifier on pencil_case. Two first commands, of about a minute each:

  python -m rl_rewards.run experiment=quickstart
  python -m rl_rewards.run env=point algorithm=ppo_point reward=goal_classifier
"""
_GROUPS = {
    "reward": "Reward sources",
    "env": "Environments",
    "algorithm": "Algorithms",
    "labeler": "Who answers a reward that asks",
    "debug": "Debugging",
}
_EXPERIMENTS = """\
Experiments (experiment=...), and about how long they take on two CPU cores

Those of the lecture are studies: arms that run one after another, and a verdict
on each claim. Times are of size=small, the default; size=full, with the seeds
that count, takes many times as long. A study of demonstrations names in its
YAML, below configs/experiment, the command that records them.
"""
CHAPTERS = {
    "": "",
    "lecture/classifiers": "goal classifiers: fooled, updated, regularised",
    "lecture/demonstrations": "imitation and inverse RL",
    "lecture/preferences": "comparisons, ratings, rankings and judges",
    "lecture/games": "asymmetric self-play",
    "lecture/curiosity": "exploration without a task",
    "classic": "PPO on the true reward, tuned for few env steps",
    "expert": "RL on the true reward; scripts/make_demos.py records it",
}
"""Folders of experiments in the order of ``--help``; others come last, without a heading."""
_OPTIONS = """\
Other arguments
  resume=RUN_DIR           goes on with an interrupted run
  --multirun reward=A,B    runs a job for each value, or combination of values
  --cfg job --resolve      shows the composed configuration and stops
  --hydra-help             shows what Hydra itself offers"""
_TIME = re.compile(r"About (\d+) (second|minute|hour)s?\b")
_UNITS = {"second": "s", "minute": "min", "hour": "h"}


def print_help() -> None:
    """Print the usage, then a line for every choice, at most 80 columns wide."""
    print(_ABOUT)
    for group, heading in _GROUPS.items():
        print(f"{heading} ({group}=...)")
        _print_column(list_choices(group))
    print(_EXPERIMENTS)
    names = list(list_choices("experiment"))
    for folder in dict.fromkeys([*CHAPTERS, *map(chapter_of, names)]):
        if folder:
            print(f"{folder}/...  {CHAPTERS.get(folder, '')}".rstrip())
        inside = [name for name in names if chapter_of(name) == folder]
        _print_column({name.removeprefix(f"{folder}/"): _with_time(name) for name in inside})
    print(_OPTIONS)


def list_choices(group: str) -> dict[str, str]:
    """Name -> summary of every YAML in a config group, nested ones as folder/name.

    Files and folders whose names begin with ``_`` are parts that others share, and no choices.
    """
    folder = CONFIGS / group
    names = {path.relative_to(folder).with_suffix("").as_posix(): path for path in sorted(folder.rglob("*.yaml"))}
    return {name: _comments(path)[0] for name, path in names.items() if "/_" not in f"/{name}"}


def chapter_of(experiment: str) -> str:
    """The folder under which ``--help`` lists an experiment; empty for one that is in no folder."""
    *folders, _ = experiment.split("/")
    return "/".join(folders[:2] if folders[:1] == ["lecture"] else folders[:1])


def study_name(experiment: str) -> str:
    """The name of a study's folder and result files: stability_point of lecture/classifiers/stability/point."""
    return experiment.removeprefix(f"{chapter_of(experiment)}/").replace("/", "_")


# ``${study_name:NAME}`` in lecture/_defaults.yaml names folders. Whatever runs a configuration imports this.
OmegaConf.register_new_resolver("study_name", study_name, replace=True)


def with_chapter(experiment: str) -> str | None:
    """The name of a study that was ``experiment`` before the lecture had chapters; None where there is none."""
    first, _, rest = experiment.partition("/")
    known = (one for one in list_choices("experiment") if one.startswith("lecture/"))
    return next((one for one in known if first == "lecture" and one.split("/", 2)[2] == rest), None)


def _print_column(choices: dict[str, str]) -> None:
    """Print a line for each choice, the name first; a text that is too long for its line goes on below."""
    column = max(map(len, choices), default=0) + 4
    for name, text in choices.items():
        start = f"  {name}".ljust(column)
        print(fill(text, WIDTH, initial_indent=start, subsequent_indent=" " * column, break_on_hyphens=False))
    print()


def _with_time(experiment: str) -> str:
    """Returns what an experiment is, after the time that its YAML tells."""
    summary, *rest = _comments(CONFIGS / "experiment" / f"{experiment}.yaml")
    told = next((match for comment in rest if (match := _TIME.match(comment))), None)
    time = f"{told[1]} {_UNITS[told[2]]}" if told else ""
    return f"{time:>6}  {summary}"


def _comments(path: Path) -> list[str]:
    """Returns the comment lines at the beginning of a YAML, without ``@package``; at least an empty one."""
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        found.append(line.removeprefix("#").strip())
    return [comment for comment in found if comment and not comment.startswith("@package")] or [""]
