"""Trains a run that other commands need, unless it is finished: experts, and the policies of data sets."""

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


def trained_run(run_dir: Path, overrides: Sequence[str]) -> Path:
    """Return ``run_dir`` when the run of these overrides is finished there; train it in a new process if it is not.

    The process ends with the exit code of the training if that fails.
    """
    if not (run_dir / "DONE").exists():
        command = [sys.executable, "-m", "rl_rewards.run", *overrides]
        done = subprocess.run([*command, f"hydra.run.dir={run_dir}"], check=False)
        if done.returncode != 0:
            sys.exit(done.returncode)
    return run_dir


def folder_name(words: Sequence[str]) -> str:
    """Return the name of a folder for ``words``, among which overrides may be; Hydra cannot read = in a path."""
    return re.sub(r"[^\w.-]", "-", "_".join(words))
