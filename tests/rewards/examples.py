"""Sources, data and short trainings for the tests of reward sources."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rl_rewards.core.types import Transition
from rl_rewards.rewards.classifier.classifier import Classifier, ClassifierState
from tests.probes import experience_of, make, make_rollout, make_spec, with_model

PLAIN = {
    "hidden": [32],
    "activation": "tanh",
    "learning_rate": 3e-3,
    "weight_decay": 0.0,
    "ensemble": 1,
    "combine": "mean",
    "mixup": 0.0,
    "label_smoothing": 0.0,
    "input_noise": 0.0,
    "gradient_penalty": 0.0,
    "entropy_weight": 0.0,
    "spectral_norm": False,
    "dropout": 0.0,
    "goal_prior": None,
    "gradient_penalty_at": "between",
    "input_scale": 1.0,
    "negative_weighting": "none",
    "average": 0.0,
    "normalize_inputs": False,
}
"""A classifier without any regulariser. Each test turns on exactly one, so that the YAML's defaults can change."""

SOURCE = {"judges": "next_obs", "reward_map": "prob", "batch_goals": 256, "negatives_per_goal": 1.0}
ADVERSARIAL = {
    "visited": "all",
    "visited_per_round": 1000,
    "keep_visited": 1000,
    "keep_rounds": None,
    "updates_per_round": 1,
    "rounds_per_update": 1,
    "negatives": "visits",
}


def plain_classifier(**changes: Any) -> Classifier:
    return make("classifier", "mlp", **with_model(PLAIN | changes))


def source_of(name: str, spec=None, classifier: dict | None = None, **changes: Any):
    """Return a plain goal_classifier or adversarial_classifier with the given changes."""
    values = SOURCE | (ADVERSARIAL if name == "adversarial_classifier" else {}) | changes
    spec = make_spec(obs=1, action=1) if spec is None else spec
    return make("reward", name, spec, classifier=with_model(PLAIN | (classifier or {})), **values)


def tiny_source(name: str = "adversarial_classifier", spec=None, classifier: dict | None = None, **changes: Any):
    """Return a source that learns almost nothing, for tests of its data: one step on four goals, one more per round."""
    small = {"batch_goals": 4, "pretrain_steps": 1}
    return source_of(name, spec, {"hidden": [4]} | (classifier or {}), **(small | changes))


def gaussians(n: int = 300, size: int = 2, deviation: float = 0.5, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return goals around +1 and non-goals around -1 in every coordinate, [n, size] each."""
    noise = deviation * np.random.default_rng(seed).normal(size=(2, n, size))
    return (1.0 + noise[0]).astype(np.float32), (-1.0 + noise[1]).astype(np.float32)


def examples_of(goals: np.ndarray, non_goals: np.ndarray, action_size: int = 1) -> dict[str, jax.Array]:
    """Return the data of a run, made from observations only; every tenth goal is also held out."""
    kinds = {"goal": goals, "non_goal": non_goals, "heldout": goals[::10]}
    data = {f"{kind}_obs": jnp.asarray(obs, jnp.float32) for kind, obs in kinds.items()}
    return data | {f"{kind}_action": jnp.zeros((len(obs), action_size)) for kind, obs in kinds.items()}


def fit(classifier: Classifier, goals, negatives, steps: int = 300, batch: int = 64, seed: int = 0) -> ClassifierState:
    """Take ``steps`` gradient steps on random batches of goals and non-goals."""
    goals, negatives = jnp.asarray(goals), jnp.asarray(negatives)

    @jax.jit
    def run(key):
        init_key, scan_key = jax.random.split(key)
        state = classifier.init(init_key, goals.shape[1])
        state = classifier.set_moments(state, jnp.concatenate([goals, negatives]))

        def step(state, step_key):
            goal_key, negative_key, train_key = jax.random.split(step_key, 3)
            shape = (classifier.ensemble, batch)
            positive = goals[jax.random.randint(goal_key, shape, 0, len(goals))]
            negative = negatives[jax.random.randint(negative_key, shape, 0, len(negatives))]
            return classifier.train_step(state, positive, negative, train_key)

        return jax.lax.scan(step, state, jax.random.split(scan_key, steps))[0]

    return run(jax.random.key(seed))


def logits_of(classifier: Classifier, state: ClassifierState, inputs) -> np.ndarray:
    """Return logits [E, N]."""
    return np.asarray(jax.jit(classifier.logits)(state, jnp.asarray(inputs, jnp.float32)))


def slopes_of(classifier: Classifier, state: ClassifierState, inputs) -> np.ndarray:
    """Return the norm of the first member's input gradient at each of ``inputs`` [N, d]."""
    slope = jax.jit(jax.vmap(jax.grad(lambda x: classifier.logits(state, x)[0])))
    return np.linalg.norm(slope(jnp.asarray(inputs, jnp.float32)), axis=-1)


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-np.asarray(x, np.float64)))


def updater(source: Any, data: dict) -> Callable:
    """Return ``source.update`` as a function (state, rollout, round) -> (state, metrics) that is compiled once."""
    update = jax.jit(lambda state, rollout, round, key: source.update(state, data, experience_of(rollout), round, key))
    return lambda state, rollout, i: update(state, rollout, jnp.int32(i), jax.random.key(100 + i))


def initial(source: Any):
    return jax.jit(source.init)(jax.random.key(0))


def numbered(round: int, length: int = 6, num_envs: int = 4, **changes: Any) -> Transition:
    """Return a rollout with next observations 1000 * round + 0, 1, 2 ...; its observations are these plus 0.5."""
    number = 1000.0 * round + np.arange(length * num_envs, dtype=np.float32).reshape(length, num_envs, 1)
    return make_rollout(
        make_spec(obs=1, action=1), length, num_envs, next_obs=number, obs=number + 0.5, action=-number, **changes
    )


def same(tree: Any, other: Any) -> bool:
    """Return True if all leaves are equal bit for bit."""
    return all(np.array_equal(x, y) for x, y in zip(jax.tree.leaves(tree), jax.tree.leaves(other), strict=True))
