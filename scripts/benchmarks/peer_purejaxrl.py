"""A worker that trains purejaxrl's PPO on CartPole: ``peer_purejaxrl.py FOLDER``, a checkout of purejaxrl.

Its ``ppo.py`` and its ``LogWrapper`` run unmodified. Version fixes, all outside its files:

* ``distrax``, which wants a TensorFlow nightly: its ``Categorical`` alone, as five lines of the same formulas
* ``brax`` and ``navix``, which ``wrappers.py`` imports for other environments: empty modules
* gymnax 1 returns six values from ``step``: gymnax's own ``LegacyStepAPIWrapper`` gives the former five
"""

import sys
import time
import types
from pathlib import Path

import gymnax
import jax
import jax.numpy as jnp
from gymnax.wrappers import LegacyStepAPIWrapper

from scripts.benchmarks.worker import serve

UPDATES = 20
"""Rounds in one piece; the learning rate falls to 0 over them, as in any run of purejaxrl."""
NUM_ENVS, ROLLOUT_LENGTH = 64, 128


class Categorical:
    """``distrax.Categorical(logits)`` as far as purejaxrl uses it."""

    def __init__(self, logits: jax.Array) -> None:
        self.logits = jax.nn.log_softmax(logits)

    def sample(self, seed: jax.Array) -> jax.Array:
        return jax.random.categorical(seed, self.logits)

    def log_prob(self, value: jax.Array) -> jax.Array:
        return jnp.take_along_axis(self.logits, value[..., None], axis=-1)[..., 0]

    def entropy(self) -> jax.Array:
        return -jnp.sum(jnp.exp(self.logits) * self.logits, axis=-1)


def main() -> None:
    """Compile, then train from scratch at every request."""
    sys.path.insert(0, str(Path(sys.argv[1]) / "purejaxrl"))
    for name, contents in {
        "distrax": {"Categorical": Categorical},
        "brax": {"envs": None},
        "brax.envs": {},
        "brax.envs.wrappers": {},
        "brax.envs.wrappers.training": {"EpisodeWrapper": None, "AutoResetWrapper": None},
        "navix": {},
    }.items():
        module = types.ModuleType(name)
        module.__dict__.update(contents)
        sys.modules[name] = module
    make = gymnax.make
    gymnax.make = lambda *args, **kwargs: _five_values(*make(*args, **kwargs))

    import ppo  # type: ignore[import-not-found]  # purejaxrl's

    config = {
        "LR": 2.5e-4,
        "NUM_ENVS": NUM_ENVS,
        "NUM_STEPS": ROLLOUT_LENGTH,
        "TOTAL_TIMESTEPS": UPDATES * NUM_ENVS * ROLLOUT_LENGTH,
        "UPDATE_EPOCHS": 4,
        "NUM_MINIBATCHES": 4,
        "GAMMA": 0.99,
        "GAE_LAMBDA": 0.95,
        "CLIP_EPS": 0.2,
        "ENT_COEF": 0.01,
        "VF_COEF": 0.5,
        "MAX_GRAD_NORM": 0.5,
        "ACTIVATION": "tanh",
        "ENV_NAME": "CartPole-v1",
        "ANNEAL_LR": True,
    }
    started = time.process_time()
    train = jax.jit(ppo.make_train(config)).lower(jax.random.PRNGKey(0)).compile()
    compiled = time.process_time() - started
    seeds = iter(range(1_000_000))

    def piece() -> int:
        jax.block_until_ready(train(jax.random.PRNGKey(next(seeds))))
        return config["TOTAL_TIMESTEPS"]

    piece()
    serve(piece, {"compile_cpu": compiled})


def _five_values(env, params):
    return LegacyStepAPIWrapper(env), params


if __name__ == "__main__":
    main()
