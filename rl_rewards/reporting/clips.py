"""The videos of a run on a page: the final policy, a much better one before it where there was one, the failure that
the learned reward likes best, and of self-play games."""

import base64
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rl_rewards.core.words import digits, short_count
from rl_rewards.reporting.evaluation_files import StoredEvaluation
from rl_rewards.reporting.kept import best_of
from rl_rewards.reporting.run_files import RunFiles

LARGEST = 30_000_000  # bytes; beyond this a page no longer opens well, and the video stays beside it


@dataclass(frozen=True)
class Video:
    """A video with its caption; without ``source`` the caption says why there is none."""

    title: str
    caption: str
    source: str | None


def clips(run: RunFiles, largest: int = LARGEST) -> list[Video]:
    """Of the seed that ``run`` is of; none for a run without videos.

    Args:
        largest: bytes that one video may have.
    """
    found = []
    if run.video is not None:
        caption = "Episodes of the last evaluation, one after another: see for yourself whether the task is done."
        found.append(_clip("The final policy", caption, run.video, largest))
    kept = best_of(run)
    if run.best_video is not None and kept is not None:
        when = short_count(int(kept.get("env_steps") or kept.get("gradient_steps") or 0))
        caption = f"Episodes of the evaluation after {when} {run.steps_name}, whose policy is kept in checkpoints/best."
        found.append(_clip("The best policy", caption, run.best_video, largest))
    last = run.evaluations[-1] if run.evaluations else None
    if last is not None and "failure_episode" in last.arrays:
        title, words = "The most rewarded failure", failure_in_words(last)
        if run.failure_video is not None:
            found.append(_clip(title, words, run.failure_video, largest))
        elif run.video is not None:
            found.append(Video(title, words, None))
    if run.games_video is not None:
        found.append(_clip("Games", _games_in_words(run), run.games_video, largest))
    return found


def _games_in_words(run: RunFiles) -> str:
    task = "reach the state in which she stopped" if run.config["reward"]["mode"] == "repeat" else "undo what she did"
    return (
        "Games of the last evaluation, one after another. The strip above is pink while Alice moves and orange while "
        f"Bob does, who must {task}."
    )


def failure_in_words(last: StoredEvaluation) -> str:
    """Which episode it is and how the learned reward ranks it among all; or that none failed."""
    episode, returns, success = int(last.arrays["failure_episode"]), last.learned_returns, last.ended_in_success
    if episode < 0 or success is None:
        return f"There is none: all {len(returns)} episodes of the last evaluation end in success."
    rank = 1 + int(np.sum(returns > returns[episode]))
    best = returns[success].max() if success.any() else None
    words = (
        f"Of the {np.sum(~success)} of {len(returns)} episodes of the last evaluation that do not end in success, the "
        f"one with the highest learned return: {digits(returns[episode])}, rank {rank} of {len(returns)} by learned "
        f"return. Its true return is {digits(last.true_returns[episode])}."
    )
    if best is None:
        return words + " No episode succeeds."
    return words + f" The best success has a learned return of {digits(best)}."


def _clip(title: str, caption: str, path: Path, largest: int) -> Video:
    if path.stat().st_size > largest:
        beside = f"The video is too large for this page; see videos/{path.name} in the run's folder."
        return Video(title, f"{caption} {beside}", None)
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    return Video(title, caption, f"data:video/mp4;base64,{data}")
