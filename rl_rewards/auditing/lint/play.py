"""Plays the simple policies, and others that are known, in fresh copies of an environment."""

from collections.abc import Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Int

from rl_rewards.auditing.lint.policies import simple_policies
from rl_rewards.core.checks import require
from rl_rewards.core.types import EnvSpec, Transition
from rl_rewards.envs.base import Environment
from rl_rewards.loop.behaviours import Recorder, of_policy, scripted
from rl_rewards.loop.policies import restore_policy

SHORTEST, LONGEST = 400, 1_000
"""The fewest and the most steps of each copy; between them whole episodes."""
COPIES = 4
"""Copies of the environment for each policy."""


@dataclass(frozen=True)
class PlayedSteps:
    """Steps [T, B, ...] of several policies, before any reward looks at them."""

    names: tuple[str, ...]  # of the policies
    policy: Int[np.ndarray, " B"]  # the policy of each copy, a place in ``names``
    steps: Transition


def play(
    env: Environment,
    copies: int = COPIES,
    length: int | None = None,
    seed: int = 0,
    run: str | None = None,
    trust: Sequence[str] = (),
) -> PlayedSteps:
    """Return steps of the simple policies, of the environment's scripted expert, if any, and of a run's policy.

    Args:
        copies: copies of the environment for each policy.
        length: steps in each; by default whole episodes, at least ``SHORTEST`` steps.
        run: the folder of the run whose policy acts too; it samples its actions.

    Raises:
        ConfigError: if the policy is one of another environment, or cannot be restored.
    """
    length = _length(env.spec) if length is None else length
    simple = simple_policies(env.spec, copies)
    names, of = [*simple.names], [simple.of]
    played = [Recorder(env, simple.behaviour, len(simple.of), length)(None, seed)]

    def add(name: str, steps: Transition) -> None:
        of.append(np.full(copies, len(names)))
        names.append(name)
        played.append(steps)

    if type(env).expert is not Environment.expert:
        add("scripted expert", Recorder(env, scripted(env, 1.0, 0.0), copies, length)(None, seed))
    if run is not None:
        policy = restore_policy(run, None, trust)
        there, here = policy.spec, env.spec
        require(
            there.obs.shape == here.obs.shape and there.action == here.action,
            f"--policy {run} acts in {there.name}, whose observations or actions are others than those of {here.name}; "
            "name a run in the same environment.",
        )
        behaviour = of_policy(policy.algorithm, there, explore=True)
        add(f"policy of {run}", Recorder(env, behaviour, copies, length)(policy.state, seed))
    together = jax.tree.map(
        lambda *leaves: jnp.concatenate([jnp.asarray(leaf) for leaf in leaves], axis=1),
        *(steps.replace(behaviour={}) for steps in played),
    )
    return PlayedSteps(tuple(names), np.concatenate(of), together)


def _length(spec: EnvSpec) -> int:
    """Return the steps of each copy: whole episodes where they are not too long."""
    limit = spec.max_episode_steps
    return min(limit * -(-SHORTEST // limit), LONGEST)
