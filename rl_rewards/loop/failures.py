"""Writes FAILED.json for a run that fails, with the reason and a score for whoever searches."""

import contextlib
import json
from pathlib import Path
from typing import Any

from rl_rewards.core.files import write_whole


def write_failed(
    run_dir: Path, error: Exception, has_success: bool, rows: list[dict[str, Any]], trace: str | None = None
) -> None:
    """FAILED.json: the reason, how far it came, and a finite score for whoever searches over configurations.

    Nothing where it cannot be written: the reason is told anyway.

    Args:
        trace: the traceback of what a user's own code raised.
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
    """Below what any finished run scores: no success, or a true return that no environment goes down to."""
    return 0.0 if has_success else -1e9
