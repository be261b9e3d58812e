"""Errors of environments that are not ours, in one sentence: which environment, which copy and which step."""

import sys
import traceback

import numpy as np

from rl_rewards.core.errors import EnvironmentFault, one_line

_LIBRARIES = {"gymnasium", "numpy", "mujoco", "rl_rewards"}


def environment_fault(env_id: str, number: int, step: int, problem: str) -> EnvironmentFault:
    """Return the error for a problem of copy ``number`` at ``step``; step 0 is its reset."""
    return EnvironmentFault(f"{env_id} ({_place(number, step)}) {problem}.")


def raised(env_id: str, number: int, step: int, error: Exception) -> EnvironmentFault:
    """Return the error for an exception of the environment's own code, with the line of its file."""
    frames = list(traceback.walk_tb(error.__traceback__))[1:]  # the first frame is ours
    theirs = [(frame, line) for frame, line in frames if not _is_library(frame.f_globals.get("__name__", ""))]
    where = ""
    if theirs or frames:
        frame, line = (theirs or frames)[-1]
        where = f" in {frame.f_code.co_filename}, line {line} ({frame.f_code.co_name})"
    kind, text = type(error).__name__, one_line(error)
    told = kind if text == kind else f"{kind}: {text}"
    return EnvironmentFault(
        f"{env_id} ({_place(number, step)}) raised {told}{where}.", "".join(traceback.format_exception(error))
    )


def check_ends(env_id: str, ended: np.ndarray, steps: np.ndarray, limit: int) -> None:
    """Check that no episode ended before the limit, as env.ends_early=false promises.

    Args:
        ended: [B] True where an episode ended, whether the environment terminated or truncated it.
        steps: [B] the number of its steps.

    Raises:
        EnvironmentFault: if one did.
    """
    early = np.flatnonzero(ended & (steps < limit))
    if len(early):
        number, step = int(early[0]), int(steps[early[0]])
        raise environment_fault(
            env_id,
            number,
            step,
            f"ended an episode before its limit of {limit} steps, but env.ends_early=false says that no episode ends "
            "early; choose env.ends_early=true",
        )


def _place(number: int, step: int) -> str:
    return f"environment {number}, step {step}" if step else f"environment {number}, reset"


def _is_library(module: str) -> bool:
    top = module.partition(".")[0]
    return top in _LIBRARIES or top in sys.stdlib_module_names
