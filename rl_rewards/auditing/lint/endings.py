"""Does death pay more than life? The value of an ending is held against the value of staying, both discounted."""

from typing import NamedTuple

import numpy as np

from rl_rewards.auditing.lint.seen import Episode, Finding, SeenSteps

LAST_STEPS = 5
"""The steps before a termination that count as the ending; so a fall that is paid before it terminates is one, too."""
GOOD = 90.0
"""The percentile of the reward of a step that counts as what a good policy would earn by staying."""
FEWEST = 5
"""The fewest terminations that are judged."""
MARGIN = 0.01
"""By how much more than staying an ending must pay, as a share of the larger of both in absolute value."""


class Ending(NamedTuple):
    """What an ending pays, and what staying pays."""

    terminations: int
    paid: float  # mean discounted reward of the last steps
    good_step: float  # the GOODth percentile of the other steps' rewards
    mean_step: float
    staying: float  # discounted, good_step for a whole episode

    @property
    def pays(self) -> bool:
        return self.paid - self.staying > MARGIN * max(abs(self.paid), abs(self.staying))


def check_endings(seen: SeenSteps) -> tuple[list[Finding], list[str]]:
    """Return the warning that death pays, or none, and a note if that could not be judged.

    Terminations with success are no deaths. Where success is not recorded, an ending that the environment's own reward
    pays for, too, is taken for the task, as in MountainCar.
    """
    if not seen.ends_early:
        return [], []
    dead = [one for one in seen.episodes if one.died]
    if len(dead) < FEWEST:
        if not dead and any(one.terminated for one in seen.episodes):
            return [], []  # all endings are successes
        few = f"Only {len(dead)} episodes" if dead else "No episode"
        return [], [f"{few} terminated without success, so that nothing says whether death pays."]
    found = _ending(seen, dead, true=False)
    if not found.pays:
        return [], []
    if seen.success is None and seen.true_reward is not None and _ending(seen, dead, true=True).pays:
        return [], ["Ending an episode early pays, and so it does in the environment's own reward, so that it is taken "
                    "for the task."]  # fmt: skip
    return [_warning(seen, found)], []


def _ending(seen: SeenSteps, dead: list[Episode], true: bool) -> Ending:
    def rewards(one: Episode) -> np.ndarray:
        given = one.true_rewards if true else one.rewards
        assert given is not None, "the caller knows that there is a true reward"
        return given

    paid = [float(np.sum(rewards(one)[-LAST_STEPS:] * _discounts(seen, one))) for one in dead]
    lives = [rewards(one)[:-LAST_STEPS] if one.died else rewards(one) for one in seen.episodes]
    steps = np.concatenate(lives)
    if not steps.size:
        steps = np.concatenate([rewards(one) for one in seen.episodes])
    good = float(np.percentile(steps, GOOD))
    return Ending(len(dead), float(np.mean(paid)), good, float(np.mean(steps)), seen.worth(good))


def _discounts(seen: SeenSteps, one: Episode) -> np.ndarray:
    return seen.discount ** np.arange(min(LAST_STEPS, len(one.rewards)))


def _warning(seen: SeenSteps, found: Ending) -> Finding:
    mend = (
        f"Pay more than {-found.good_step:.3g} for every step, so that staying is worth something"
        if found.good_step < 0.0
        else "Pay less for the steps that lead to the end, or more for all others"
    )
    message = (
        f"Death pays more than life: the last {LAST_STEPS} steps before a termination earn {found.paid:.3g} together "
        f"(mean of {found.terminations} terminations), while {seen.max_episode_steps:,} steps at "
        f"{found.good_step:.3g}, which one in ten of the other steps earns, are worth {found.staying:.3g} at discount "
        f"{seen.discount:g}. {mend}."
    )
    numbers = {
        "ending": found.paid,
        "staying": found.staying,
        "step": found.mean_step,
        "terminations": found.terminations,
    }
    return Finding("death pays", message, None, numbers)
