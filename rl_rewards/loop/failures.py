"""Writes FAILED.json for a failed run, with the reason and a score for searches over configurations."""

import contextlib
import json
from pathlib import Path
from typing import Any

from rl_rewards.core.files import write_whole


def write_failed(
    run_dir: Path, error: Exception, has_success: bool, rows: list[dict[str, Any]], trace: str | None = None
) -> None:
    """Write FAILED.json: the error, the progress, and a finite score for searches over configurations.

    A failure to write it is ignored, because the error is also printed.

    Args:
        trace: the traceback of an error in a user's own code.
    """
    last = rows[-1] if rows else {"round": 0, "env_steps": 0}
    failed = {
        "error": str(error) or type(error).__name__,
        "kind": type(error).__name__,
        "round": last["round"],
        "env_steps": last["env_steps"],
        "score": worst_score(has_success),
    }
    if trace is not None:
        failed["traceback"] = trace
    with contextlib.suppress(OSError):
        write_whole(run_dir / "FAILED.json", json.dumps(failed) + "\n")


def worst_score(has_success: bool) -> float:
    """Return a score that no finished run falls below: no success, or a true return below that of any environment."""
    return 0.0 if has_success else -1e9
