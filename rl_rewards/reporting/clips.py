"""The videos of a run: the final policy, the best policy, the failure with the most learned reward, self-play games."""

import base64
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rl_rewards.core.words import digits, short_count
from rl_rewards.reporting.evaluation_files import StoredEvaluation
from rl_rewards.reporting.kept import best_of
from rl_rewards.reporting.run_files import RunFiles

LARGEST = 30_000_000  # bytes; a page with a larger video is slow to open, so that the video stays in its folder


@dataclass(frozen=True)
class Video:
    """A video with its caption; if ``source`` is None, the caption says why."""

    title: str
    caption: str
    source: str | None


def clips(run: RunFiles, largest: int = LARGEST) -> list[Video]:
    """Return the videos of ``run``, which has one seed; an empty list if it has none.

    Args:
        largest: the largest size of one video in bytes.
    """
    found = []
    if run.video is not None:
        caption = (
            "Episodes of the last evaluation, one after another. Judge for yourself whether the policy does the task."
        )
        found.append(_clip("The final policy", caption, run.video, largest))
    kept = best_of(run)
    if run.best_video is not None and kept is not None:
        when = short_count(int(kept.get("env_steps") or kept.get("gradient_steps") or 0))
        caption = f"Episodes of the evaluation after {when} {run.steps_name}. Its policy is kept in checkpoints/best."
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
        "Games of the last evaluation, one after another. The strip above the picture is pink while Alice moves and "
        f"orange while Bob moves. Bob must {task}."
    )


def failure_in_words(last: StoredEvaluation) -> str:
    """Describe the failure with the most learned reward and its rank among all episodes; or say that none failed."""
    episode, returns, success = int(last.arrays["failure_episode"]), last.learned_returns, last.ended_in_success
    if episode < 0 or success is None:
        return f"There is no failure: all {len(returns)} episodes of the last evaluation end in success."
    rank = 1 + int(np.sum(returns > returns[episode]))
    best = returns[success].max() if success.any() else None
    words = (
        f"In the last evaluation {np.sum(~success)} of {len(returns)} episodes do not end in success. This is the one "
        f"with the highest learned return: {digits(returns[episode])}, rank {rank} of {len(returns)} episodes. Its "
        f"true return is {digits(last.true_returns[episode])}."
    )
    if best is None:
        return words + " No episode succeeds."
    return words + f" The highest learned return of a success is {digits(best)}."


def _clip(title: str, caption: str, path: Path, largest: int) -> Video:
    if path.stat().st_size > largest:
        beside = f"The video is too large for this page; see videos/{path.name} in the run folder."
        return Video(title, f"{caption} {beside}", None)
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    return Video(title, caption, f"data:video/mp4;base64,{data}")
