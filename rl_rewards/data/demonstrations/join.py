"""Several sets of recorded episodes as one."""

from collections.abc import Sequence

import numpy as np

from rl_rewards.core.checks import require
from rl_rewards.core.errors import warn
from rl_rewards.data.demonstrations.checks import check_layout
from rl_rewards.data.demonstrations.fit import CORRECTED, INFO, Demonstrations, is_thinned, steps_of


def join(named: Sequence[tuple[str, Demonstrations]]) -> Demonstrations:
    """Return the episodes of several sets, each with its name, one set after another.

    Arrays that only some sets have are left out, except two. ``step`` is kept if steps were left out of any set, and
    ``info_corrected`` if an expert corrected the policy in any; in the sets that lack it, no step is corrected.

    Raises:
        ConfigError: if the layout of a set is wrong, or the shapes of two sets differ.
    """
    for name, arrays in named:
        check_layout(name, {key: array for key, array in arrays.items() if not key.startswith(INFO)}, None)
    named = _with_corrections(named)
    sets = [arrays for _, arrays in named]
    every = dict.fromkeys(key for one in sets for key in one if key != "step")
    lacking = {name: [key for key in every if key not in one] for name, one in named}
    for name, missing in lacking.items():
        if missing:
            warn(f"{name} lacks {', '.join(missing)}, which the joined data therefore does not have.")
    keys = [key for key in sets[0] if key != "step" and all(key in one for one in sets)]
    for key in keys:
        shapes = [one[key].shape[1:] for one in sets]
        other = next((i for i, shape in enumerate(shapes) if shape != shapes[0]), 0)
        require(
            other == 0,
            f"{named[other][0]}: {key} has rows of the shape {list(shapes[other])}, but in {named[0][0]} they have "
            f"the shape {list(shapes[0])}; only recordings of one environment can be joined.",
        )
    joined = {key: np.concatenate([one[key] for one in sets]) for key in keys}
    firsts = np.cumsum([0, *(len(one["obs"]) for one in sets[:-1])])
    joined["episode_start"] = np.concatenate(
        [one["episode_start"].astype(np.int64) + first for one, first in zip(sets, firsts, strict=True)]
    )
    if any(is_thinned(one) for one in sets):
        joined["step"] = np.concatenate([steps_of(one) for one in sets])
    return joined


def _with_corrections(named: Sequence[tuple[str, Demonstrations]]) -> Sequence[tuple[str, Demonstrations]]:
    """Return the sets, all with ``info_corrected`` if one has it: 0 in those that lacked it."""
    key = f"{INFO}{CORRECTED}"
    if not any(key in arrays for _, arrays in named):
        return named
    return [(name, {key: np.zeros(len(arrays["obs"]), np.float32), **arrays}) for name, arrays in named]
