"""An example of your own environment in pure JAX: a cart on a rail must stand still in the middle.

    PYTHONPATH=scripts/examples python -m rl_rewards.run --config-dir scripts/examples/configs \
        env=cart reward=environment algorithm=ppo_control total_env_steps=200_000

``env=cart`` is configs/env/cart.yaml, which names this class and its settings.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import struct

from rl_rewards.core.types import Box, EnvSpec, StepOut
from rl_rewards.envs.base import JaxEnv

SECONDS = 0.1  # per step


class CartState(struct.PyTreeNode):
    """The state of the simulation."""

    place: jax.Array  # m from the middle
    speed: jax.Array  # m/s
    elapsed: jax.Array  # steps since the reset


@dataclass(frozen=True)
class Cart(JaxEnv):
    """A cart with a force in [-1, 1] m/s^2, observed by place and speed; episodes end only at the step limit."""

    width: float  # m from one end of the rail to the other
    max_episode_steps: int

    @property
    def spec(self) -> EnvSpec:
        return EnvSpec(
            name="cart",
            obs=Box(shape=(2,)),
            action=Box(shape=(1,), low=(-1.0,), high=(1.0,)),
            max_episode_steps=self.max_episode_steps,
            info={"success": ()},
            ends_early=False,
            restores=True,
            has_success=True,
            obs_names=("place [m]", "speed [m/s]"),
            step_seconds=SECONDS,
        )

    def reset(self, key: jax.Array) -> CartState:
        place = jax.random.uniform(key, minval=-0.5, maxval=0.5) * self.width
        return CartState(place=place, speed=jnp.zeros(()), elapsed=jnp.zeros((), jnp.int32))

    def observe(self, state: CartState) -> jax.Array:
        return jnp.stack([state.place, state.speed])

    def step(self, key: jax.Array, state: CartState, action: jax.Array) -> tuple[CartState, StepOut]:
        speed = state.speed + SECONDS * jnp.clip(action[0], -1.0, 1.0)  # actions can exceed the bounds
        place = state.place + SECONDS * speed
        hit = jnp.abs(place) > 0.5 * self.width  # the end of the rail stops the cart
        place = jnp.clip(place, -0.5 * self.width, 0.5 * self.width)
        state = CartState(place=place, speed=jnp.where(hit, 0.0, speed), elapsed=state.elapsed + 1)
        over = state.elapsed >= self.max_episode_steps
        out = StepOut(
            next_obs=self.observe(state),
            env_reward=-jnp.abs(state.place) - 0.1 * jnp.abs(state.speed),
            terminated=jnp.array(False),  # the step limit truncates an episode and does not terminate it
            truncated=over,
            needs_reset=over,
            info={"success": (jnp.abs(state.place) < 0.1) & (jnp.abs(state.speed) < 0.1)},
        )
        return state, out
