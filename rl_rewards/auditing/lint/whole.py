"""A whole lint: the reward of a configuration, simple policies in its environment, and all checks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rl_rewards.auditing.lint.endings import check_endings
from rl_rewards.auditing.lint.loops import check_loops
from rl_rewards.auditing.lint.play import COPIES, PlayedSteps, play
from rl_rewards.auditing.lint.seen import Finding, SeenSteps, SeenSwitch
from rl_rewards.auditing.lint.terms import check_terms
from rl_rewards.core.checks import require
from rl_rewards.core.errors import ConfigError
from rl_rewards.core.keys import new_key
from rl_rewards.core.types import EnvSpec, Transition
from rl_rewards.envs.base import Environment
from rl_rewards.loop.build import build_env, build_settings
from rl_rewards.loop.sources import build_source
from rl_rewards.rewards.base import NamedTerm, RewardSource, first_state

DISCOUNT = 0.99
"""For algorithms that have none."""
SUCCESS = "info.success"
EXAMPLES = 256
"""The number of example states of the goal."""


@dataclass(frozen=True)
class Lint:
    """What was found about one reward."""

    policies: tuple[str, ...]
    steps: int
    deviations: Mapping[str, float]  # term -> its standard deviation over all steps
    warnings: tuple[Finding, ...]
    notes: tuple[str, ...]


def lint(
    config: Mapping[str, Any], copies: int = COPIES, length: int | None = None, run: str | None = None
) -> list[Lint]:
    """Return what is found about each different reward of ``config``: one, unless its seeds have files of their own.

    Args:
        copies, length, run: as for :func:`rl_rewards.auditing.lint.play.play`.

    Raises:
        ConfigError: if the reward has no named terms, the environment is one of texts, or a part cannot be built.
    """
    require(copies >= 1, f"--copies={copies} must be at least 1.")
    require(length is None or length >= 2, f"--steps={length} must be at least 2.")
    settings = build_settings(config)
    env = build_env(config)
    require(
        env.spec.text is None,
        f"{env.spec.name} is an environment of texts, for which there are no simple policies; python -m "
        "rl_rewards.audit RUN_DIR edits texts instead.",
    )
    source = build_source(config["reward"], env.spec, None, settings.seeds, settings.trust)
    states = _states(source, settings.seeds)
    _check_terms_exist(source, states[0], env.spec)
    played = play(env, copies, length, settings.seed, run, settings.trust)
    discount = config["algorithm"].get("discount") or DISCOUNT
    return [judge(env, source, state, played, discount) for state in states]


def _states(source: RewardSource, seeds: Sequence[int]) -> list[Any]:
    """Return the different first states: one, or one of each file of a written reward."""
    prepared = source.prepared
    if prepared is None:
        return [first_state(source, new_key(seeds[0]), None)]
    each = [jax.tree.map(lambda x, place=place: x[place], prepared) for place in range(len(seeds))]
    states = [first_state(source, new_key(seed), one) for seed, one in zip(seeds, each, strict=True)]
    distinct = {tuple(np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(one)): one for one in states}
    return [*distinct.values()]


def _check_terms_exist(source: RewardSource, state: Any, spec: EnvSpec) -> None:
    """Check that the reward has terms, before anything is played.

    Raises:
        ConfigError: if it has none.
    """
    if source.named_terms(state, _blank(spec, 1)) is None:
        raise ConfigError(
            f"This reward ({type(source).__name__}) has no named terms; rl_rewards.lint reads what a person wrote: "
            "reward=hand_designed, reward=written, or a mixture of these. A learned reward is for python -m "
            "rl_rewards.audit RUN_DIR."
        )


def _blank(spec: EnvSpec, count: int) -> Transition:
    """Return transitions [count] of zeros."""
    obs, flag = jnp.zeros((count, *spec.obs.shape), spec.obs.dtype), jnp.zeros(count, bool)
    return Transition(
        obs=obs,
        action=jnp.zeros((count, *spec.action.shape), spec.action.dtype),
        next_obs=obs,
        env_reward=jnp.zeros(count),
        terminated=flag,
        truncated=flag,
        valid=~flag,
        is_demo=flag,
        behaviour={},
        info={key: jnp.zeros((count, *shape)) for key, shape in spec.info.items()},
    )


def judge(env: Environment, source: RewardSource, state: Any, played: PlayedSteps, discount: float) -> Lint:
    """Return what is found about ``source`` in one of its states, from what was ``played`` in ``env``.

    Args:
        discount: of future rewards, per step.
    """
    spec, steps = env.spec, played.steps
    terms = source.named_terms(state, steps)
    assert terms is not None, "this was checked before"
    goals = _goals(env, source)
    success = np.asarray(steps.info["success"]) > 0.5 if spec.has_success else None
    seen = SeenSteps(
        names=played.names,
        policy=played.policy,
        terms={name: np.asarray(one.value, np.float64) for name, one in terms.items()},
        switches={name: _switches(one) for name, one in terms.items()},
        reward=np.asarray(source.reward(state, steps), np.float64),
        true_reward=np.asarray(steps.env_reward, np.float64) if spec.has_true_reward else None,
        terminated=np.asarray(steps.terminated),
        done=np.asarray(steps.terminated | steps.truncated),
        success=success,
        ends_early=spec.ends_early,
        max_episode_steps=spec.max_episode_steps,
        discount=discount,
        for_success=_for_success(source, state, steps, goals),
        of_goals=None if goals is None else float(np.mean(np.nan_to_num(np.asarray(source.reward(state, goals))))),
    )
    checks = (check_endings(seen), check_loops(seen), check_terms(seen))
    warnings, notes = (tuple(one for found in checks for one in found[place]) for place in (0, 1))
    deviations = {name: _deviation(value) for name, value in seen.terms.items()}
    return Lint(played.names, seen.steps, deviations, warnings, notes)


def _deviation(value: np.ndarray) -> float:
    """Return the standard deviation of the finite values; NaN if there is none."""
    finite = value[np.isfinite(value)]
    return float(np.std(finite)) if finite.size else float("nan")


def _switches(term: NamedTerm) -> tuple[SeenSwitch, ...]:
    return tuple(
        SeenSwitch(
            one.text, one.is_condition, {side: float(np.mean(np.asarray(one.side) == side)) for side in (-1, 0, 1)}
        )
        for one in term.switches
    )


def _goals(env: Environment, source: RewardSource) -> Transition | None:
    """Return steps that stay in the environment's own examples of the goal.

    None if it has none, or the reward reads what is not known of them.
    """
    if not {"obs", "action", "next_obs", SUCCESS}.issuperset(source.requirements.reads):
        return None
    try:
        goals = env.collect_examples(np.random.default_rng(0), EXAMPLES, True)
    except ConfigError:
        return None
    obs, action = jnp.asarray(goals.obs), jnp.asarray(goals.action)
    return _in_success(_blank(env.spec, len(obs)).replace(obs=obs, next_obs=obs, action=action))


def _in_success(steps: Transition) -> Transition:
    """Return the same steps, all of them with success in their info, if they record it."""
    if "success" not in steps.info:
        return steps
    return steps.replace(info={**steps.info, "success": jnp.ones_like(steps.info["success"])})


def _for_success(source: RewardSource, state: Any, steps: Transition, goals: Transition | None) -> frozenset[str]:
    """Return the terms that are not 0 in examples of the goal, or in the steps seen if these had been a success."""
    found: set[str] = set()
    tried = [] if goals is None else [goals]
    if SUCCESS in source.requirements.reads:
        tried.append(_in_success(jax.tree.map(lambda x: x[:1], steps)))
    for one in tried:
        terms = source.named_terms(state, one) or {}
        found |= {name for name, term in terms.items() if np.any(np.nan_to_num(np.asarray(term.value)))}
    return frozenset(found)
