"""Does a loop pay? What a simple policy earns steadily without success is held against what success brings."""

from typing import NamedTuple

import numpy as np

from rl_rewards.auditing.lint.seen import Episode, Finding, Seen

STEADY = 0.05
"""The least steady reward that counts, as a share of the 95th percentile of the reward in absolute value."""
ERRORS = 3.0
"""A steady reward must be so many standard errors above 0."""
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

    per_step: float  # mean reward of a step that reaches success, or of the environment's examples
    ends: bool  # success terminates the episode
    best_return: float | None  # of the episodes that ended in success; None if there was none
    episodes: int
    words: str


def check_loops(seen: Seen) -> tuple[list[Finding], list[str]]:
    """Return the warning that a loop pays, or none, and a note if that could not be judged."""
    if seen.success is None:
        return [], ["This environment does not record success, so that nothing says whether a loop pays more."]
    success = _success(seen)
    if success is None:
        return [], ["No policy reached success, and no examples say what it pays, so that nothing says whether a loop "
                    "pays more; add a trained policy with --policy RUN_DIR."]  # fmt: skip
    worth = success.per_step if success.ends else seen.worth(success.per_step)
    loops = [one for one in _loops(seen) if seen.worth(one.per_step) >= worth]
    loops = [one for one in loops if success.best_return is None or one.returns >= success.best_return]
    if not loops:
        return [], []
    return [_warning(seen, max(loops, key=lambda one: one.per_step), success)], []


def _success(seen: Seen) -> Success | None:
    """Return what success brings: the better of what was seen and of the examples."""
    assert seen.success is not None, "the caller has checked it"
    paid = seen.finite[seen.success]
    won = [one for one in seen.episodes if one.succeeded]
    per_step = (
        [(float(paid.mean()), f"a step with success earns on average in {paid.size:,} steps")] if paid.size else []
    )
    if seen.of_goals is not None:
        per_step.append((seen.of_goals, "a step in the environment's examples of the goal earns on average"))
    if not per_step:
        return None
    best, words = max(per_step)
    ends = bool(paid.size) and float(seen.terminated[seen.success].mean()) > 0.5
    best_return = max((float(one.rewards.sum()) for one in won), default=None)
    return Success(best, ends, best_return, len(won), words)


def _loops(seen: Seen) -> list[Loop]:
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


def _warning(seen: Seen, loop: Loop, success: Success) -> Finding:
    brings = f"{success.per_step:.3g} is what {success.words}"
    if success.ends:
        brings += ", and that ends the episode"
    if success.best_return is not None:
        brings += f"; the best of {success.episodes} episodes with success returns {success.best_return:.3g}"
    message = (
        f"A loop pays: {loop.policy} earns {loop.per_step:.3g} a step, and {loop.returns:.3g} an episode, without success "
        f"({loop.episodes} episodes), while {brings}. Pay more for success, or take back what the loop earns, as by "
        "paying for progress that can also be lost."
    )
    numbers = {"per_step": loop.per_step, "return": loop.returns, "success_per_step": success.per_step}
    return Finding("loop pays", message, None, numbers)
