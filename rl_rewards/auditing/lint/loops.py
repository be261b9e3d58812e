"""Does a loop pay? What a simple policy earns steadily without success is held against what success brings."""

from typing import NamedTuple

import numpy as np

from rl_rewards.auditing.lint.seen import Episode, Finding, SeenSteps

STEADY = 0.05
"""The least steady reward that counts, as a share of the 95th percentile of the reward in absolute value."""
ERRORS = 3.0
"""A steady reward must be so many standard errors above 0."""
ABOUT = 0.9
"""An episode without success returns as much as one with success if it returns this share of it."""
FEWEST_STEPS = 8
"""Episodes that are shorter have no loops."""


class Loop(NamedTuple):
    """What a policy earns without success."""

    policy: str
    per_step: float  # mean reward in the second half of its episodes
    returns: float  # mean undiscounted return
    episodes: int


class Success(NamedTuple):
    """What success brings, as far as it was seen."""

    per_step: float  # mean reward of a step in success; if success ends the episode, of the step that reaches it
    ends: bool  # success terminates the episode
    returns: float | None  # mean of the episodes that ended in success; None if there was none
    episodes: int
    words: tuple[str, ...]  # of what per_step is the mean


def check_loops(seen: SeenSteps) -> tuple[list[Finding], list[str]]:
    """Return the warning that a loop pays, or none, and a note if that could not be judged."""
    if seen.success is None:
        return [], ["This environment does not record success, so that nothing says whether a loop pays more."]
    success = _success(seen)
    if success is None:
        return [], ["No policy reached success, and no examples say what it pays, so that nothing says whether a loop "
                    "pays more; add a trained policy with --policy RUN_DIR."]  # fmt: skip
    worth = success.per_step if success.ends else seen.worth(success.per_step)
    loops = [one for one in _loops(seen) if seen.worth(one.per_step) >= worth]
    loops = [one for one in loops if success.returns is None or one.returns >= ABOUT * success.returns]
    if not loops:
        return [], []
    return [_warning(max(loops, key=lambda one: one.per_step), success)], []


def _success(seen: SeenSteps) -> Success | None:
    """Return what success brings: the better of what was seen and of the examples; None if neither is known."""
    success = seen.success
    assert success is not None, "the caller has checked it"
    ends = bool(success.any()) and float(seen.terminated[success].mean()) > 0.5
    stays = success[1:] & success[:-1] & ~seen.done[:-1]
    known = []
    if not ends and stays.sum() >= FEWEST_STEPS:
        known.append(
            (float(seen.finite[1:][stays].mean()), "a step in success earns", f"mean of {stays.sum():,} steps")
        )
    elif success.any():
        known.append(
            (float(seen.finite[success].mean()), "a step to success earns", f"mean of {success.sum():,} steps")
        )
    if seen.of_goals is not None:
        known.append((seen.of_goals, "a step in the goal earns", "mean of the environment's examples"))
    if not known:
        return None
    per_step, *words = max(known)
    won = [float(one.rewards.sum()) for one in seen.episodes if one.succeeded]
    return Success(per_step, ends, float(np.mean(won)) if won else None, len(won), tuple(words))


def _loops(seen: SeenSteps) -> list[Loop]:
    """Return the policies that earn steadily, with what they earn in the episodes without any success."""
    least = STEADY * float(np.percentile(np.abs(seen.finite), 95))
    failed: dict[str, list[Episode]] = {}
    for one in seen.episodes:
        if one.success is not None and not one.success.any() and len(one.rewards) >= FEWEST_STEPS:
            failed.setdefault(one.policy, []).append(one)
    found = []
    for policy, episodes in failed.items():
        steady = np.array([one.rewards[len(one.rewards) // 2 :].mean() for one in episodes])
        error = float(np.std(steady) / np.sqrt(len(steady)))
        if len(steady) > 1 and float(steady.mean()) > max(least, ERRORS * error, 0.0):
            returns = float(np.mean([one.rewards.sum() for one in episodes]))
            found.append(Loop(policy, float(steady.mean()), returns, len(episodes)))
    return found


def _warning(loop: Loop, success: Success) -> Finding:
    what, mean = success.words
    brings = f"{what} {success.per_step:.3g} ({mean})" + (" and ends the episode" if success.ends else "")
    if success.returns is not None:
        brings += f", and the {success.episodes} episodes that end in success return {success.returns:.3g} on average"
    message = (
        f'A loop pays: the simple policy "{loop.policy}" earns {loop.per_step:.3g} a step and {loop.returns:.3g} an '
        f"episode without success (mean of {loop.episodes} episodes), while {brings}. Pay more for success, or let the "
        "loop lose what it earns, as by paying for progress and charging for the way back."
    )
    numbers = {"per_step": loop.per_step, "return": loop.returns, "success_per_step": success.per_step}
    return Finding("loop pays", message, None, numbers)
