"""The choices of every config group, with the comments at the head of their YAMLs. Reads text files only."""

import re
from pathlib import Path

from omegaconf import OmegaConf

_INSTALLED = Path(__file__).parents[1] / "configs"
CONFIGS = _INSTALLED if _INSTALLED.is_dir() else Path(__file__).parents[2] / "configs"
"""The config folder: package data of a wheel, or the checkout's."""

MANY = 30
"""More choices than this are not listed in a sentence."""

_TIME = re.compile(r"About (\d+) (second|minute|hour)s?\b")
_UNITS = {"second": "s", "minute": "min", "hour": "h"}


def list_choices(group: str) -> dict[str, str]:
    """Return name -> summary of every YAML in a config group, nested ones as folder/name.

    Files and folders whose names begin with ``_`` are parts that others share, and no choices.
    """
    folder = CONFIGS / group
    names = {path.relative_to(folder).with_suffix("").as_posix(): path for path in sorted(folder.rglob("*.yaml"))}
    return {name: head_comments(path)[0] for name, path in names.items() if "/_" not in f"/{name}"}


def in_short(group: str) -> list[str]:
    """Return the names of a group's choices; where there are many, FOLDER/... for all in a folder."""
    choices = list(list_choices(group))
    if len(choices) <= MANY:
        return choices
    folders = dict.fromkeys(f"{choice.split('/')[0]}/..." for choice in choices if "/" in choice)
    return [*(choice for choice in choices if "/" not in choice), *folders]


def list_groups() -> list[str]:
    """Return the names of all config groups."""
    return sorted(path.name for path in CONFIGS.iterdir() if path.is_dir())


def chapter_of(experiment: str) -> str:
    """Return the folder under which ``--help experiments`` lists an experiment; empty for one that is in no folder."""
    *folders, _ = experiment.split("/")
    return "/".join(folders[:2] if folders[:1] == ["lecture"] else folders[:1])


def study_name(experiment: str) -> str:
    """Return the name of a study's folder and result files: stability_point of lecture/classifiers/stability/point."""
    return experiment.removeprefix(f"{chapter_of(experiment)}/").replace("/", "_")


# ``${study_name:NAME}`` in lecture/_defaults.yaml names folders. Whatever runs a configuration imports this.
OmegaConf.register_new_resolver("study_name", study_name, replace=True)


def with_chapter(experiment: str) -> str | None:
    """Return the present name of a study that was ``experiment`` before the lecture had chapters, or None."""
    first, _, rest = experiment.partition("/")
    known = (one for one in list_choices("experiment") if one.startswith("lecture/"))
    return next((one for one in known if first == "lecture" and one.split("/", 2)[2] == rest), None)


def time_of(experiment: str) -> str:
    """Return about how long an experiment takes on two CPU cores, such as "5 min"; empty if its YAML does not say."""
    comments = head_comments(CONFIGS / "experiment" / f"{experiment}.yaml")
    found = next((match for comment in comments if (match := _TIME.match(comment))), None)
    return f"{found[1]} {_UNITS[found[2]]}" if found else ""


def head_comments(path: Path) -> list[str]:
    """Return the comment lines at the beginning of a YAML, without ``@package``; at least an empty one."""
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        found.append(line.removeprefix("#").strip())
    return [comment for comment in found if comment and not comment.startswith("@package")] or [""]
