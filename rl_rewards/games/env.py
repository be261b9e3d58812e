"""The game in which Alice sets goals for Bob, around any environment that can restore a state.

A player's observation consists of the environment's observation, a second observation (for Alice, the one where she
began; for Bob, his goal; in a task episode, zeros) and ``FLAGS``. The action is that of the environment, extended by
one with which Alice stops.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Float

from rl_rewards.core.checks import require
from rl_rewards.core.requirements import Requirements
from rl_rewards.core.types import Action, Box, Discrete, EnvSpec, Key, Obs, StepOut, box_bounds
from rl_rewards.envs.base import Environment, JaxEnv
from rl_rewards.games.episodes import GameEpisodes
from rl_rewards.games.rules import ALICE, BOB, FLAGS, GAME_INFO, TASK, Rules, Turn, distance


class GameState(struct.PyTreeNode):
    """The state of one game, without batch axes."""

    inner: Any  # the environment's state
    start: Any  # the environment's state where Alice began
    shown: Any  # the state that the player observes second: where Alice began, or Bob's goal
    far: Float[Array, ""]  # distance of Bob's goal from his start, in goal features
    info: dict[str, Array]  # the environment's info of the last move; zeros before the first
    turn: Turn


@dataclass(frozen=True)
class Game(Environment):
    """The environment ``inner`` as a game under ``rules``; base class of both kinds of games.

    Raises:
        ConfigError: if ``inner`` cannot restore a state, has no goals, has images as observations, or is not reversible
            although ``rules.mode`` needs it.
    """

    inner: Any  # an environment of either kind
    rules: Rules

    def __post_init__(self) -> None:
        spec, inner = self.inner.spec, self.inner
        require(
            spec.restores,
            f"reward=self_play moves Bob back to Alice's start, but {spec.name} cannot restore a state; choose an "
            "environment that can, such as env=hall, key_door, point, point_maze or pencil_case.",
        )
        require(
            len(inner.goal_names) > 0,
            f"reward=self_play needs an environment with goals, but {spec.name} does not define them (see "
            "goal_features); choose env=hall, key_door, light_switch, mountain_car, point, point_maze or pencil_case.",
        )
        require(
            self.rules.mode == "repeat" or inner.reversible,
            f"reward.mode=reverse needs an environment in which Bob can undo Alice's actions, but {spec.name} is not "
            "reversible; choose reward.mode=repeat.",
        )
        require(
            len(spec.obs.shape) == 1 and spec.obs.dtype != "uint8",
            "reward=self_play needs vectors as observations; choose an environment without images.",
        )

    @property
    def spec(self) -> EnvSpec:
        return self._spec

    @cached_property
    def _spec(self) -> EnvSpec:
        inner = self.inner.spec
        return EnvSpec(
            name=inner.name,
            obs=Box(shape=(2 * inner.obs.shape[0] + len(FLAGS),)),
            action=_with_stop(inner.action),
            max_episode_steps=self._longest,
            info={**inner.info, **dict.fromkeys(GAME_INFO, ()), "goal": (len(self.inner.goal_names),)},
            ends_early=True,
            restores=inner.restores,
            has_success=inner.has_success,
            step_seconds=inner.step_seconds,
            cells=inner.cells,
        )

    @property
    def requirements(self) -> Requirements:
        return self.inner.requirements

    def is_reached(self, features: Any, goal: Any) -> Any:
        """Return, [*batch] bool, whether ``features`` [*batch, g] are close enough to ``goal`` [*batch, g]."""
        threshold = self.inner.goal_threshold if self.rules.threshold is None else self.rules.threshold
        return distance(features, goal) <= threshold

    @property
    def _longest(self) -> int:
        """The largest number of steps in an episode; a game has one more step than moves, with which Alice stops."""
        game, task = self.rules.horizon + 1, self.inner.spec.max_episode_steps
        share = self.rules.target_fraction
        return game if share == 0.0 else task if share == 1.0 else max(game, task)

    @property
    def episodes(self) -> GameEpisodes:
        """The episodes of a run: Bob is evaluated on the task, and the current players also play games."""
        return GameEpisodes(
            evaluated=self._with(target_fraction=1.0),
            also_played=self._with(target_fraction=0.0, past_share=0.0),
            horizon=self.rules.horizon,
            place=self.place,
        )

    def _with(self, **changes: Any) -> Any:
        """Return the same environment with changed rules."""
        return replace(self, rules=replace(self.rules, **changes))

    # Drawing, for people.

    @property
    def legend(self) -> str:
        return self.inner.legend

    def draw(self, scene: np.ndarray) -> np.ndarray:
        return self.inner.draw(scene)

    def place(self, scene: np.ndarray) -> np.ndarray | None:
        """Return x and y of scenes on the inner environment's plane, or None if it has no plane."""
        return self.inner.place(scene)


class JaxGame(Game, JaxEnv):
    """A game on a JAX environment; see :class:`JaxEnv`."""

    def reset(self, key: Key) -> GameState:
        """Begin a game with Alice's turn, or with probability ``target_fraction`` a task episode."""
        inner_key, role_key, past_key = jax.random.split(key, 3)
        inner = self.inner.reset(inner_key)
        share = self.rules.target_fraction
        is_task = jax.random.bernoulli(role_key, share) if 0.0 < share < 1.0 else jnp.array(share == 1.0)
        zero = jnp.zeros((), jnp.int32)
        return GameState(
            inner=inner,
            start=inner,
            shown=inner,
            far=jnp.zeros(()),
            info={name: jnp.zeros(shape, info_dtype(name)) for name, shape in self.inner.spec.info.items()},
            turn=Turn(
                role=jnp.where(is_task, TASK, ALICE).astype(jnp.int32),
                t_alice=zero,
                t_bob=zero,
                opponent=jnp.where(is_task, 0, draw_opponent(past_key, self.rules)),
            ),
        )

    def observe(self, state: GameState) -> Obs:
        return self._seen(state.inner, state.shown, state.turn)

    def _seen(self, inner: Any, shown: Any, turn: Turn) -> Obs:
        is_task = turn.role == TASK
        flags = jnp.stack([turn.role == ALICE, is_task, turn.opponent]).astype(jnp.float32)
        besides = jnp.where(is_task, 0.0, self.inner.observe(shown))
        return jnp.concatenate([self.inner.observe(inner), besides, flags])

    def step(self, key: Key, state: GameState, action: Action) -> tuple[GameState, StepOut]:
        env, rules, turn = self.inner, self.rules, state.turn
        move, stops = split_action(env.spec, action)
        moved, out = env.step(key, state.inner, move)
        stops = stops & (turn.role == ALICE)
        inner = _choose(stops, state.inner, moved)
        here, began = env.goal_features(inner), env.goal_features(state.start)
        reached = self.is_reached(here, env.goal_features(state.shown))
        after = rules.after(turn, stops, reached, self.is_reached(here, began))
        is_task = turn.role == TASK
        terminated = jnp.where(is_task, out.terminated, after.switches | after.over)
        over = jnp.where(is_task, out.needs_reset, after.over)
        repeat = rules.mode == "repeat"
        far = jnp.where(after.switches, distance(here, began), state.far)
        # In reverse mode Bob's goal is Alice's start, which she was shown before.
        shown = _choose(after.switches, inner, state.shown) if repeat else state.start
        seen = {name: jnp.where(stops, state.info[name], value) for name, value in out.info.items()}
        info = {
            **seen,
            **tell(turn, after.turn, over, reached & (turn.role == BOB) | (after.switches & after.over), far),
            "goal": env.goal_features(shown),
        }
        done = StepOut(
            next_obs=self._seen(inner, state.shown, turn),
            env_reward=jnp.where(is_task, out.env_reward, 0.0),
            terminated=terminated,
            truncated=is_task & out.truncated,
            needs_reset=over,
            info=info,
        )
        state = GameState(
            inner=_choose(after.switches, state.start, inner) if repeat else inner,
            start=state.start,
            shown=shown,
            far=far,
            info=seen,
            turn=after.turn,
        )
        return state, done


def tell(turn: Turn, after: Turn, over: Any, reached: Any, far: Any) -> dict[str, Any]:
    """Return ``GAME_INFO`` of a step by name, f32."""
    values = (turn.role, after.t_alice, after.t_bob, over, reached, far)
    return {name: value.astype(np.float32) for name, value in zip(GAME_INFO, values, strict=True)}


def draw_opponent(key: Key, rules: Rules) -> Array:
    """Return the opponent flag of a new game, int32: 0, or with probability ``past_share`` +-k; see ``FLAGS``."""
    if rules.past_share == 0.0:
        return jnp.zeros((), jnp.int32)
    share_key, version_key, side_key = jax.random.split(key, 3)
    version = jax.random.randint(version_key, (), 1, rules.past_versions + 1)
    side = jax.random.rademacher(side_key, (), dtype=jnp.int32)
    return jnp.where(jax.random.bernoulli(share_key, rules.past_share), side * version, 0).astype(jnp.int32)


def split_action(spec: EnvSpec, action: Any) -> tuple[Any, Any]:
    """Return the environment's own action, and whether the action stops Alice's turn, [*batch] bool.

    The stop is the last action of a Discrete space, or a last entry of at least 1, its upper bound, in a Box. The
    caller discards the environment's step in that case.
    """
    if isinstance(spec.action, Discrete):
        stops = action == spec.action.n
        return action * ~stops, stops
    return action[..., :-1], action[..., -1] >= 1.0


def info_dtype(name: str) -> type:
    return bool if name == "success" else np.float32


def _with_stop(action: Box | Discrete) -> Box | Discrete:
    if isinstance(action, Discrete):
        return Discrete(action.n + 1)
    low, high = (tuple(bound.reshape(-1).tolist()) for bound in box_bounds(action))
    return Box(shape=(len(low) + 1,), low=(*low, -1.0), high=(*high, 1.0))


def _choose(condition: Array, this: Any, that: Any) -> Any:
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), this, that)
