"""Deletes runs, but never one that is running, and no run that another needs unless that is asked for."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from rl_rewards.command_line.exits import FAILED
from rl_rewards.command_line.listing.listed import ListedRun, run_folders
from rl_rewards.command_line.listing.table import bytes_in_words
from rl_rewards.core.errors import ConfigError
from rl_rewards.core.files import read_json, read_text
from rl_rewards.loop.run_folder import CONFIG, only_process
from rl_rewards.loop.saved_state import saved_state

SHARED = "shared"
"""The folder of stages that several studies use, beside the folders of the studies."""


def needed_by(runs: Sequence[ListedRun], roots: Sequence[str]) -> dict[Path, list[str]]:
    """Return which of ``runs`` are needed, and by what else: runs that name their folders, and studies.

    A run names another as its policy, reward or data. A study uses the stages in the folder ``shared`` beside it.

    Args:
        roots: the folders in which to look for other runs, besides those near shared stages.
    """
    chosen = {run.path.resolve(): run.path for run in runs}
    near = {str(run.path.resolve().parent.parent) for run in runs if run.path.resolve().parent.name == SHARED}
    found: dict[Path, list[str]] = {}
    for other in run_folders([*roots, *sorted(near)]):
        if other.resolve() in chosen:
            continue
        for named in _folders_named(other):
            if named in chosen:
                found.setdefault(chosen[named], []).append(str(other))
    for run in runs:
        found.setdefault(run.path, []).extend(_studies(run.path.resolve()))
    return {path: list(dict.fromkeys(needing)) for path, needing in found.items() if needing}


def _folders_named(run_dir: Path) -> Iterator[Path]:
    """Yield every existing folder that the configuration of a run names."""
    try:
        config = yaml.safe_load(read_text(run_dir / CONFIG))
    except (ConfigError, yaml.YAMLError):
        return
    for text in _texts(config):
        if "/" in text:
            folder = saved_state(text.removeprefix("run:")).run_dir
            with suppress(OSError):
                if folder.is_dir():
                    yield folder.resolve()


def _texts(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    for one in node.values() if isinstance(node, Mapping) else node if isinstance(node, list) else ():
        yield from _texts(one)


def _studies(run_dir: Path) -> Iterator[str]:
    """Yield the studies whose verdict judges an arm of this shared stage's name."""
    if run_dir.parent.name != SHARED:
        return
    name = run_dir.name.rpartition("-")[0]
    for path in sorted(run_dir.parent.parent.glob("*/verdict.json")):
        with suppress(ConfigError):
            if name in (read_json(path).get("arms") or {}):
                yield f"the study {path.parent.name}"


def delete_all(runs: Sequence[ListedRun], roots: Sequence[str], ask: bool, also_needed: bool) -> int:
    """Delete runs, say what is kept and why, and return the exit code: 1 if a run could not be deleted.

    Args:
        roots: the folders in which the runs were found; they stay, even if they are empty.
        ask: ask in the terminal first; no answer, or another than yes, deletes nothing.
        also_needed: also delete runs that others need.
    """
    needed = needed_by(runs, roots)
    going = [run for run in runs if run.status != "running" and (also_needed or run.path not in needed)]
    for run in runs:
        if run.status == "running":
            print(f"Kept: {run.path} is running.")
        elif run.path in needed:
            said = f"{run.path} is needed by {_few(needed[run.path])}"
            print(f"Note: {said}." if also_needed else f"Kept: {said}; --needed deletes it, too.")
    if not going:
        print("Nothing is left to delete.")
        return 0
    many = f"{len(going)} run{'s' * (len(going) > 1)}, {bytes_in_words(sum(run.size for run in going))}"
    if ask and not _agreed(f"Delete {many}? This cannot be undone. Type yes: "):
        print("Nothing was deleted.")
        return 0
    kept, failed = [Path(root) for root in roots], 0
    for run in going:
        try:
            _delete(run.path, kept)
        except (ConfigError, OSError) as error:
            failed += 1
            print(f"Kept: {error}")
    print(f"Deleted {len(going) - failed} of {many}." if failed else f"Deleted {many}.")
    return FAILED if failed else 0


def _agreed(question: str) -> bool:
    try:
        return input(question).strip().lower() == "yes"
    except EOFError:  # nobody is at the terminal
        print()
        return False


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _delete(run_dir: Path, keep: Sequence[Path]) -> None:
    """Delete the folder of a run, and the folders above that are empty then, below those in ``keep``.

    Raises:
        FolderInUse: if the run is running; nothing is deleted.
        OSError: if a file cannot be deleted.
    """
    with only_process(run_dir):
        shutil.rmtree(run_dir)
    kept = {path.resolve() for path in keep}
    for folder in run_dir.resolve().parents:
        if folder in kept or not any(folder.is_relative_to(one) for one in kept) or any(folder.iterdir()):
            break
        folder.rmdir()
