"""Language models of earlier runs that labelers ask."""

from collections.abc import Callable, Sequence

import jax
import numpy as np

from rl_rewards.core.checks import require
from rl_rewards.core.types import EnvSpec
from rl_rewards.labelers.base import Labeling
from rl_rewards.loop.policies import restore_policy
from rl_rewards.loop.run_folder import read_config
from rl_rewards.loop.saved_state import saved_state


def asked_model(
    labeling: Labeling, spec: EnvSpec, seed: int | None, trust: Sequence[str] = ()
) -> Callable[[np.ndarray, np.ndarray], np.ndarray] | None:
    """Return log P of answers by the model that a labeler asks, for :class:`~rl_rewards.labelers.base.Assignment`.

    Args:
        seed: of the run whose queries are answered, if it is known; its model is asked if the labeler names no other.

    Raises:
        ConfigError: when the run cannot be read, its policy is not a language model, or it has other tokens.
    """
    wanted = labeling.requirements.asks_model
    if wanted is None:
        return None
    run, named = wanted
    folder = saved_state(run).run_dir
    if named is None and (folder / "config.yaml").is_file():
        named = None if read_config(folder, (), ()).get("num_seeds", 1) == 1 else seed
    policy = restore_policy(run, named, trust)
    require(
        spec.text is not None and policy.spec.text is not None and spec.text.same_tokens(policy.spec.text),
        f"labeler.run={run} learned on {policy.spec.name}, whose tokens are not those of {spec.name}; name a run with "
        "the same ones.",
    )
    function = jax.jit(policy.algorithm.answer_log_prob)
    return lambda prompts, answers: np.asarray(function(policy.state, prompts, answers))
