"""A worker that trains JAX-CORL's IQL on random steps: ``peer_jax_corl.py FOLDER``, a checkout of JAX-CORL.

Its ``algos/iql.py`` runs unmodified, with its own defaults: 2x256 networks, batches of 256, 8 updates in each call. Its
imports that have nothing to do with the updates (d4rl, gym, wandb) are empty modules, and distrax, which wants a
TensorFlow nightly, is its diagonal normal alone, as a few lines of the same formulas.
"""

import importlib.util
import sys
import time
import types
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from scripts.benchmarks.worker import serve

CALLS = 25
"""Calls in one piece, of 8 updates each."""
STEPS, OBS, ACTIONS = 100_000, 17, 6
"""Recorded steps, and the numbers in an observation and an action: HalfCheetah's."""


class MultivariateNormalDiag:
    """``distrax.MultivariateNormalDiag`` as far as the updates use it."""

    def __init__(self, loc: jax.Array, scale_diag: jax.Array) -> None:
        self.loc, self.scale = loc, scale_diag

    def log_prob(self, value: jax.Array) -> jax.Array:
        z = (value - self.loc) / self.scale
        return jnp.sum(-0.5 * jnp.square(z) - jnp.log(self.scale) - 0.5 * jnp.log(2.0 * jnp.pi), axis=-1)


def main() -> None:
    """Compile, then take 200 more gradient steps at every request."""
    stubs = {"d4rl": {}, "gym": {"Env": object}, "wandb": {}, "tqdm": {}}
    stubs["distrax"] = {"MultivariateNormalDiag": MultivariateNormalDiag, "Distribution": object}
    for name, contents in stubs.items():
        module = types.ModuleType(name)
        module.__dict__.update(contents)
        sys.modules[name] = module
    path = Path(sys.argv.pop(1)) / "algos" / "iql.py"
    found = importlib.util.spec_from_file_location("jax_corl_iql", path)
    assert found is not None and found.loader is not None
    iql = importlib.util.module_from_spec(found)
    sys.modules["jax_corl_iql"] = iql
    found.loader.exec_module(iql)
    rng = np.random.default_rng(0)
    obs, next_obs = rng.normal(size=(2, STEPS, OBS)).astype(np.float32)
    data = iql.Transition(
        observations=jnp.asarray(obs),
        actions=jnp.asarray(rng.uniform(-1.0, 1.0, (STEPS, ACTIONS)), jnp.float32),
        rewards=jnp.asarray(rng.normal(size=STEPS), jnp.float32),
        next_observations=jnp.asarray(next_obs),
        dones=jnp.zeros(STEPS),
        dones_float=jnp.zeros(STEPS),
    )
    config = iql.config
    state = iql.create_iql_train_state(jax.random.PRNGKey(0), data.observations[:1], data.actions[:1], config)
    update = jax.jit(iql.IQL.update_n_times, static_argnums=3)
    keys = iter(jax.random.split(jax.random.PRNGKey(1), 1_000_000))
    started = time.process_time()
    state, _ = jax.block_until_ready(update(state, data, next(keys), config))
    compiled = time.process_time() - started

    def piece() -> int:
        nonlocal state
        for _ in range(CALLS):
            state, _ = update(state, data, next(keys), config)
        jax.block_until_ready(state)
        return CALLS * config.n_jitted_updates

    piece()
    serve(piece, {"compile_cpu": compiled})


if __name__ == "__main__":
    main()
