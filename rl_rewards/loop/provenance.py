"""Where a result came from: the command as anyone can type it, the commit of the code, the data it was given."""

import hashlib
import shlex
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path


def command_line(overrides: Sequence[str]) -> str:
    """The shell command of a run with these overrides."""
    return " ".join(["python -m rl_rewards.run", *map(shlex.quote, overrides)])


def code() -> dict[str, str | bool | None]:
    """``git_sha`` of the source tree, and whether package or configs differ from it; None without repository or git."""
    status = _git("status", "--porcelain", "--", ":/rl_rewards", ":/configs")
    return {"git_sha": _git("rev-parse", "HEAD"), "git_dirty": None if status is None else bool(status)}


def digests(names: Iterable[str | None]) -> dict[str, str]:
    """The SHA-256 of those ``names`` that are files: the same name can hold other demonstrations tomorrow."""
    files = [Path(name) for name in names if name and Path(name).is_file()]
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=Path(__file__).parent, capture_output=True, text=True, check=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
