"""The provenance of a result: its command, the commit of the code, and the hashes of its data files."""

import hashlib
import shlex
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path


def command_line(overrides: Sequence[str]) -> str:
    """Return the shell command of a run with these overrides."""
    return " ".join(["python -m rl_rewards.run", *map(shlex.quote, overrides)])


def code() -> dict[str, str | bool | None]:
    """Return ``git_sha``, and ``git_dirty`` (package or configs differ from it); None without git or a repository."""
    status = _git("status", "--porcelain", "--", ":/rl_rewards", ":/configs")
    return {"git_sha": _git("rev-parse", "HEAD"), "git_dirty": None if status is None else bool(status)}


def digests(names: Iterable[str | None]) -> dict[str, str]:
    """Return the SHA-256 of those ``names`` that are files, folders of files or recordings of runs.

    These may change later. The folder of a run is left out, since its own run.json says where it comes from.
    """
    files: list[Path] = []
    for name in filter(None, names):
        if name.startswith("run:"):
            from rl_rewards.data.demonstrations.of_runs import files_of, files_of_all_seeds  # slow to import

            files += files_of(name) or files_of_all_seeds(name)
        elif (path := Path(name).expanduser()).is_file():
            files.append(path)
        elif path.is_dir() and not (path / "run.json").is_file():
            files += sorted(one for one in path.iterdir() if one.is_file())
    return {str(path): _sha256(path) for path in files}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=Path(__file__).parent, capture_output=True, text=True, check=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
