"""Checks a user's own part before anything compiles, from shapes alone: its results must have the declared shapes.

The parts of this package are not checked here, because their tests do that.
"""

from typing import Any

import jax
import jax.numpy as jnp

from rl_rewards.algorithms.base import Algorithm, DatasetSizes, RolloutSizes
from rl_rewards.core.checks import require
from rl_rewards.core.contracts import attributed_to, check_array, check_members, is_own
from rl_rewards.core.keys import new_key
from rl_rewards.core.requirements import Requirements
from rl_rewards.core.types import EnvSpec, StepOut, Transition
from rl_rewards.envs.base import Environment, Episodes, HostEnvironment, JaxEnv
from rl_rewards.labelers.base import Labeling
from rl_rewards.loop.own_models import check_models
from rl_rewards.rewards.base import AsksForLabels, RewardSource, asks, changes_run

BATCH = (3, 2)  # T, B of the abstract rollout


def check_env(env: Any, place: str) -> None:
    """Check a user's own environment; if it is a JAX environment, also the results of its functions against its spec.

    Raises:
        ConfigError: like the checks below, in one sentence that begins with ``place``.
    """
    if not is_own(env):
        return
    check_members(env, HostEnvironment if hasattr(env, "make") else JaxEnv, place)
    _check_requirements(env, place)
    require(isinstance(env.spec, EnvSpec), f"{place}: spec is {type(env.spec).__name__}; it must be an EnvSpec.")
    require(
        isinstance(env.episodes, Episodes),
        f"{place}: episodes is {type(env.episodes).__name__}; the runner reads an Episodes there, so that an attribute "
        "of your own needs another name.",
    )
    if not isinstance(env, JaxEnv):
        return
    spec, key = env.spec, jax.eval_shape(lambda: new_key(0))
    with attributed_to(place, "reset"):
        state = jax.eval_shape(env.reset, key)
    with attributed_to(place, "observe"):
        check_array(jax.eval_shape(env.observe, state), tuple(spec.obs.shape), spec.obs.dtype, place, "observe")
    with attributed_to(place, "step"):
        returned = jax.eval_shape(env.step, key, state, _action(spec, ()))
    pair = isinstance(returned, tuple) and len(returned) == 2 and isinstance(returned[1], StepOut)
    require(pair, f"{place}: step must return a pair, the next state and a StepOut.")
    after, out = returned
    message = f"{place}: the state that step returns has other arrays than the state of reset"
    different = _different(state, after)
    require(different is None, f"{message}: {different}.")
    check_array(out.next_obs, tuple(spec.obs.shape), spec.obs.dtype, place, "next_obs of step")
    check_array(out.env_reward, (), "float32", place, "env_reward of step")
    for name in ("terminated", "truncated", "needs_reset"):
        check_array(out._asdict()[name], (), "bool", place, f"{name} of step")
    require(
        set(out.info) == set(spec.info),
        f"{place}: info of step has the keys {sorted(out.info)}, but spec.info declares {sorted(spec.info)}.",
    )
    for name, shape in spec.info.items():
        found = jnp.shape(out.info[name])
        require(found == tuple(shape), f"{place}: info.{name} has the shape {list(found)}; spec says {list(shape)}.")


def check_reward(source: Any, spec: EnvSpec, place: str) -> None:
    """Check a user's own reward source, which must return one number for each transition.

    If it changes the environment, only its members are checked, because its transitions are not known yet.
    """
    check_models(source, place)
    if not is_own(source):
        return
    check_members(source, RewardSource, place)
    _check_requirements(source, place)
    if asks(source):
        check_members(source, AsksForLabels, place)
    if changes_run(type(source)):
        return
    unknown = [key for key in source.requirements.info_keys if key not in spec.info]
    require(
        not unknown,
        f"{place}: it reads {', '.join(unknown)} from info, which {spec.name} does not have; info has "
        f"{', '.join(spec.info) or 'no keys'}.",
    )
    with attributed_to(place, "init"):
        state = jax.eval_shape(source.init, jax.eval_shape(lambda: new_key(0)))
    with attributed_to(place, "reward"):
        paid = jax.eval_shape(source.reward, state, _rollout(spec, source.requirements.info_keys))
    check_array(paid, BATCH, "float32", place, f"reward of transitions {list(BATCH)}")
    with attributed_to(place, "absorbing_reward"):
        check_array(jax.eval_shape(source.absorbing_reward, state), (), "float32", place, "absorbing_reward")


def check_algorithm(algorithm: Any, spec: EnvSpec, place: str) -> None:
    """Check a user's own algorithm, whose actions must have the shape and dtype of the environment's."""
    check_models(algorithm, place)
    if not is_own(algorithm):
        return
    check_members(algorithm, Algorithm, place, besides=(RolloutSizes, DatasetSizes))
    require(
        not isinstance(vars(type(algorithm)).get("data"), str),
        f"{place}: data is no longer read; declare Requirements(learns_from=...) as its requirements instead.",
    )
    _check_requirements(algorithm, place)
    offline = algorithm.requirements.learns_from == "dataset"
    check_members(algorithm, DatasetSizes if offline else RolloutSizes, place)
    key = jax.eval_shape(lambda: new_key(0))
    with attributed_to(place, "init"):
        state = jax.eval_shape(algorithm.init, key)
    with attributed_to(place, "initial_memory"):
        memory = jax.eval_shape(lambda: algorithm.initial_memory(BATCH[1]))
    obs = jax.ShapeDtypeStruct((BATCH[1], *spec.obs.shape), spec.obs.dtype)
    for explore in (True, False):
        with attributed_to(place, "act"):
            returned = jax.eval_shape(lambda *given: algorithm.act(*given, explore=explore), state, memory, obs, key)  # noqa: B023
        triple = isinstance(returned, tuple) and len(returned) == 3 and isinstance(returned[2], dict)
        require(
            triple,
            f"{place}: act must return three values: actions, the memory after this step (without a memory, the "
            "() that it was given), and a dict of values to record.",
        )
        different = _different(memory, returned[1])
        message = f"{place}: the memory that act returns has other arrays than that of initial_memory"
        require(different is None, f"{message}: {different}.")
        action = _action(spec, BATCH[1:])
        check_array(returned[0], action.shape, str(action.dtype), place, f"actions for {BATCH[1]} observations")


def check_labeling(labeling: Any, place: str) -> None:
    """Check a user's own labeler."""
    if is_own(labeling):
        check_members(labeling, Labeling, place)
        _check_requirements(labeling, place)


def _check_requirements(part: Environment | RewardSource | Algorithm | Labeling, place: str) -> None:
    """Check that the requirements of a part are a Requirements."""
    with attributed_to(place, "requirements"):
        found = part.requirements
    declared = isinstance(found, Requirements)
    require(declared, f"{place}: requirements is {type(found).__name__}; it must be a Requirements.")


def _action(spec: EnvSpec, batch: tuple[int, ...]) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct((*batch, *spec.action.shape), spec.action.dtype)


def _rollout(spec: EnvSpec, info_keys: tuple[str, ...]) -> Transition:
    obs = jax.ShapeDtypeStruct((*BATCH, *spec.obs.shape), spec.obs.dtype)
    flag = jax.ShapeDtypeStruct(BATCH, jnp.bool_)
    return Transition(
        obs=obs,
        action=_action(spec, BATCH),
        next_obs=obs,
        env_reward=jax.ShapeDtypeStruct(BATCH, jnp.float32),
        terminated=flag,
        truncated=flag,
        valid=flag,
        is_demo=flag,
        behaviour={},
        info={key: jax.ShapeDtypeStruct((*BATCH, *spec.info[key]), jnp.float32) for key in info_keys},
    )


def _different(before: Any, after: Any) -> str | None:
    """Return a description of the first array with another dtype or shape, or None if all are equal."""
    first, then = (_layout(tree) for tree in (before, after))
    for name in [*first, *then]:
        if first.get(name) != then.get(name):
            return f"{name.lstrip('.') or 'it'} was {first.get(name, 'not there')} and is {then.get(name, 'not there')}"
    return None


def _layout(tree: Any) -> dict[str, str]:
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {jax.tree_util.keystr(path): f"{leaf.dtype} {list(leaf.shape)}" for path, leaf in leaves}
