"""Checks that the rows of demonstrations fit together: contradictions are refused, unlikely values give a warning.

Within an episode, ``next_obs`` of a row must equal ``obs`` of the next. In a thinned file, from which steps were left
out on purpose, this must hold for rows whose numbers in ``step`` [n] are consecutive.
"""

import numpy as np

from rl_rewards.core.errors import ConfigError
from rl_rewards.core.types import EnvSpec

Demonstrations = dict[str, np.ndarray]
"""The arrays of a file by name; see this folder's ``__init__.py``."""
INFO = "info_"
"""The beginning of the names of arrays that hold a key of the steps' info, such as ``info_success``."""
CORRECTED = "corrected"
"""The key of info that is above 0 where an expert took over to correct a policy; without the key, none did."""
ROUNDING = 1e-5
"""The largest difference, absolute and relative, by rounding between two computations of the same observation."""
RETURN_TOLERANCE = 1e-3
"""The largest difference between a return and the sum of its rewards, relative to 1 + the sum of their magnitudes."""
JUMP = 2.0
"""An episode's last step jumps if it changes an entry by more than this times the largest change of any other step."""


def check_continuity(name: str, demos: Demonstrations, spec: EnvSpec | None) -> None:
    """Check that every step of an episode begins in the state in which the step before it ended."""
    breaks = _differ(demos["next_obs"][:-1], demos["obs"][1:])
    wrong = np.flatnonzero(breaks & follows(demos))
    if not len(wrong):
        return
    row = wrong[0]
    after, before = demos["next_obs"][row], demos["obs"][row + 1]
    entry = tuple(np.argwhere(after != before)[0])
    where = f"entry {list(map(int, entry))}" if entry else "it"
    raise ConfigError(
        f"{name}: next_obs in {row_of(demos, row)} is not obs in row {row + 1}: {where} is {after[entry]:.9g} and then "
        f"{before[entry]:.9g} ({len(wrong)} such rows in all). Within an episode, each step must begin where the one "
        "before it ended; if steps were left out on purpose, the key step [n] must give each row's number in its "
        "episode."
    )


def check_ends(name: str, demos: Demonstrations, spec: EnvSpec | None) -> None:
    """Check that the last ``next_obs`` of each episode is an observation, not a filler.

    A filler differs much from its ``obs`` in most episodes, and is either 0 or the first ``obs`` of the next episode.
    """
    if filled := _filled_in(demos):
        first = row_of(demos, last_rows(demos)[0])
        raise ConfigError(
            f"{name}: next_obs in {first}, the last of its episode, is {filled}; it must be the observation after "
            "the last action, even if a step limit truncated the episode."
        )


def _filled_in(demos: Demonstrations) -> str:
    """Return a description of the filler in the last ``next_obs``, or an empty text if it is a true observation."""
    last = last_rows(demos)
    if len(last) < 2 or np.mean(_jumps(demos)) <= 0.5:
        return ""
    if len(last) > 2 and _leads_to_next_start(demos):
        return f"obs in row {last[0] + 1}, where the next episode begins"
    zero = ~_differ(demos["next_obs"][last], np.zeros_like(demos["next_obs"][:1]))
    return "0 in every entry, as in all episodes" if zero.all() and not demos["terminated"][last].any() else ""


def fit_warnings(name: str, demos: Demonstrations, spec: EnvSpec | None) -> list[str]:
    """Return warnings about demonstrations that are accepted but are probably wrong."""
    found = (_return_warning(demos), _length_warning(demos, spec), _end_warning(demos), _thinning_warning(demos))
    return [f"{name}: {sentence}" for sentence in found if sentence]


def _return_warning(demos: Demonstrations) -> str:
    if "episode_return" not in demos or "env_reward" not in demos or is_thinned(demos):
        return ""
    rewards, starts = demos["env_reward"].astype(np.float64), demos["episode_start"]
    sums, magnitudes = np.add.reduceat(rewards, starts), np.add.reduceat(np.abs(rewards), starts)
    wrong = np.flatnonzero(np.abs(sums - demos["episode_return"]) > RETURN_TOLERANCE * (1.0 + magnitudes))
    if not len(wrong):
        return ""
    one = wrong[0]
    return (
        f"in {len(wrong)} of {len(starts)} episodes episode_return is not the sum of env_reward; in episode {one} it "
        f"is {demos['episode_return'][one]:.6g}, and the sum is {sums[one]:.6g}."
    )


def _length_warning(demos: Demonstrations, spec: EnvSpec | None) -> str:
    lengths = steps_of(demos)[last_rows(demos)] + 1
    if spec is None or lengths.max() <= spec.max_episode_steps:
        return ""
    longer, longest = int(np.sum(lengths > spec.max_episode_steps)), int(np.argmax(lengths))
    return (
        f"{longer} of {len(lengths)} episodes are longer than the {spec.max_episode_steps} steps after which "
        f"{spec.name} ends one; episode {longest} has {lengths[longest]}."
    )


def _end_warning(demos: Demonstrations) -> str:
    if _filled_in(demos):
        return ""  # check_ends refuses it
    last, jumps = last_rows(demos), _jumps(demos)
    if len(last) > 2 and _leads_to_next_start(demos):
        return (
            "the last next_obs of every episode is the first obs of the next episode, which is right only if the "
            "episodes are pieces of a longer one."
        )
    stands = ~_differ(demos["next_obs"], demos["obs"])
    if len(last) > 1 and stands[last].all() and stands.sum() < 2 * len(last):
        return (
            "the last next_obs of every episode equals its last obs; it must be the observation after the last action."
        )
    if len(last) > 1 and np.mean(jumps) > 0.5:
        first = int(np.argmax(jumps))
        return (
            f"in {int(jumps.sum())} of {len(last)} episodes the last step changes obs more than {JUMP:g} times as much "
            f"as any other step, first in {row_of(demos, last[first])}; next_obs there must be the observation that "
            "followed."
        )
    return ""


def _thinning_warning(demos: Demonstrations) -> str:
    if "step" not in demos:
        return ""
    apart = ~follows(demos)
    apart[last_rows(demos)[:-1]] = False
    same = ~_differ(demos["next_obs"][:-1], demos["obs"][1:])
    if not apart.any() or not same[apart].all():
        return ""
    return (
        "next_obs is the obs of the next row although steps between them were left out; it must be the observation "
        "directly after the action."
    )


def one_episode_warning(name: str, demos: Demonstrations) -> str | None:
    """Return a warning about data of a single episode for a learner that compares episodes; None if there are more."""
    if len(demos["episode_start"]) > 1:
        return None
    return (
        f"{name} holds one episode only: single steps can be learned from, but nothing that compares episodes, such as "
        "the best of them by their returns."
    )


def returns_of(demos: Demonstrations) -> np.ndarray:
    """Return the true return of each episode, [E] f32: as recorded, or the sum of the rewards; NaN if unknown."""
    if "episode_return" in demos:
        return demos["episode_return"]
    starts = demos["episode_start"]
    if "env_reward" not in demos or is_thinned(demos):
        return np.full(len(starts), np.nan, np.float32)
    return np.add.reduceat(demos["env_reward"].astype(np.float64), starts).astype(np.float32)


def info_keys(demos: Demonstrations) -> list[str]:
    """Return the keys of the steps' info that are recorded, such as ``success`` for the array ``info_success``."""
    return sorted(name.removeprefix(INFO) for name in demos if name.startswith(INFO))


def holds_tokens(demos: Demonstrations) -> bool:
    """Return True if observations and actions are rows of whole numbers, as those of texts are; images are not."""
    arrays = (demos["obs"], demos["action"])
    return all(array.ndim == 2 and array.dtype.kind in "iu" and array.dtype != np.uint8 for array in arrays)


def row_of(demos: Demonstrations, row: int) -> str:
    """Return the description of a row with its episode and step, such as "row 41 (episode 1, step 1)"."""
    episode = int(np.searchsorted(demos["episode_start"], row, side="right")) - 1
    return f"row {row} (episode {episode}, step {steps_of(demos)[row]})"


def last_rows(demos: Demonstrations) -> np.ndarray:
    """Return the last row of each episode, [E]."""
    return np.append(demos["episode_start"][1:], len(demos["obs"])) - 1


def steps_of(demos: Demonstrations) -> np.ndarray:
    """Return the number of each row's step in its episode, [n], counted from 0."""
    if "step" in demos:
        return demos["step"]
    starts = demos["episode_start"]
    return np.arange(len(demos["obs"])) - np.repeat(starts, np.diff(np.append(starts, len(demos["obs"]))))


def follows(demos: Demonstrations) -> np.ndarray:
    """Return True where the next row is the next step of the same episode, [n - 1]."""
    same_episode = ~np.isin(np.arange(len(demos["obs"]) - 1), last_rows(demos))
    return same_episode & (np.diff(steps_of(demos)) == 1)


def is_thinned(demos: Demonstrations) -> bool:
    """Return True if steps of episodes were left out."""
    return bool(np.any(steps_of(demos) != steps_of({key: x for key, x in demos.items() if key != "step"})))


def _differ(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return True for the rows that are not equal, [n]."""
    return (one != other).any(axis=tuple(range(1, one.ndim)))


def _jumps(demos: Demonstrations) -> np.ndarray:
    """Return True for the episodes [E] whose last step changes an entry far more than any earlier step does."""
    last = last_rows(demos)
    if demos["obs"].dtype == np.uint8 or len(last) == len(demos["obs"]):
        return np.zeros(len(last), bool)  # images may change in any way; episodes of one step have no earlier ones
    with np.errstate(over="ignore"):
        change = np.abs(demos["next_obs"] - demos["obs"])
        within = np.delete(change, last, axis=0).max(axis=0)
        return ((change[last] > JUMP * within) & (within > 0)).any(axis=tuple(range(1, change.ndim)))


def _leads_to_next_start(demos: Demonstrations) -> bool:
    """Return True if every episode's last ``next_obs`` is the next one's first ``obs``, and those are not all equal."""
    starts = demos["episode_start"][1:]
    firsts = demos["obs"][starts]
    led = not _differ(demos["next_obs"][starts - 1], firsts).any()
    return led and bool(_differ(firsts, firsts[:1]).any())
