"""The goal classifier on pictures: it separates them, every regulariser works, and visited ones stay uint8."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rl_rewards.core.types import Box
from rl_rewards.models import encoders
from rl_rewards.rewards.classifier.inputs import PictureInputs, inputs_of
from tests.probes import make_rollout, make_spec
from tests.rewards.examples import initial, plain_classifier, tiny_source, updater

BOX = Box(shape=(8, 8, 3), dtype="uint8")
SPEC = replace(make_spec(action=1), obs=BOX)


def picture_classifier(**changes):
    return replace(plain_classifier(**changes), inputs=inputs_of(BOX))


def pictures(n: int, bright_left: bool, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 120, (n, *BOX.shape))
    noise[:, :, :4] += 130 * bright_left
    noise[:, :, 4:] += 130 * (not bright_left)
    return noise.astype(np.uint8)


def data(n: int = 60) -> dict[str, jax.Array]:
    kinds = {"goal": pictures(n, True), "non_goal": pictures(n, False, 1), "heldout": pictures(8, True, 2)}
    arrays = {f"{kind}_obs": jnp.asarray(obs) for kind, obs in kinds.items()}
    return arrays | {f"{kind}_action": jnp.zeros((len(obs), 1)) for kind, obs in kinds.items()}


def rollout_of(obs: np.ndarray):
    obs = obs.reshape(6, 4, *BOX.shape)
    return make_rollout(make_spec(action=1), 6, 4, obs=obs, next_obs=obs)


def test_it_tells_pictures_apart_and_keeps_visited_ones_as_bytes(monkeypatch):
    """The inputs are a picture and an action; whole runs use pictures only."""
    source = tiny_source(
        spec=SPEC, judges="obs_action", pretrain_steps=40, batch_goals=32, classifier={"hidden": [8], "mixup": 1.0}
    )
    assert source.discriminator.inputs == PictureInputs(BOX.shape)
    state, seen = initial(source), rollout_of(pictures(24, True, 3))
    state, metrics = updater(source, data())(state, seen, 0)
    assert float(metrics["reward/accuracy_goal"]) > 0.9
    assert state.visited.obs.dtype == jnp.uint8
    np.testing.assert_array_equal(np.sort(state.visited.obs[:24], 0), np.sort(seen.obs.reshape(24, *BOX.shape), 0))
    goal, other = (rollout_of(pictures(24, side, 4)) for side in (True, False))
    rewards = source.reward(state, goal)
    assert rewards.shape == (6, 4) and rewards.min() > source.reward(state, other).max()
    monkeypatch.setattr(encoders, "CHUNK", 5)
    np.testing.assert_allclose(source.reward(state, goal), rewards, atol=1e-6)


@pytest.mark.parametrize(
    "changes",
    [
        {"mixup": 1.0, "label_smoothing": 0.1, "input_noise": 0.1, "dropout": 0.2},
        {"gradient_penalty": 1.0},
        {"spectral_norm": True},
        {"normalize_inputs": True},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_every_regulariser_works_on_pictures(changes):
    classifier = picture_classifier(hidden=[4], ensemble=2, **changes)
    size = int(np.prod(BOX.shape))
    state = jax.jit(classifier.init, static_argnums=1)(jax.random.key(0), size)
    positive, negative = (jnp.asarray(pictures(16, side)).reshape(2, 8, size) / 255.0 for side in (True, False))
    state, metrics = jax.jit(classifier.train_step)(state, positive, negative, jax.random.key(1))
    assert all(np.isfinite(value) for value in metrics.values())
    assert float(metrics["reward/gradient_norm"]) > 0.0


def flat(side: bool, n: int = 32, seed: int = 0) -> jax.Array:
    return jnp.asarray(pictures(n, side, seed)).reshape(1, n, -1) / 255.0


def test_normalised_pictures_are_centred_and_what_follows_them_is_not():
    """The output equals that of a classifier without normalisation on 2 x - 1."""
    centring, plain = (picture_classifier(hidden=[4], normalize_inputs=on, input_scale=None) for on in (True, False))
    inputs = jnp.concatenate([flat(True)[0], jnp.full((32, 1), 0.7)], axis=-1)
    state = jax.jit(plain.init, static_argnums=1)(jax.random.key(0), inputs.shape[1])
    centred = inputs.at[:, :-1].set(2.0 * inputs[:, :-1] - 1.0)
    np.testing.assert_allclose(centring.logits(state, inputs), plain.logits(state, centred), atol=1e-5)
    assert np.abs(centring.logits(state, inputs) - plain.logits(state, inputs)).max() > 1e-3


@pytest.mark.long
def test_spectral_norm_still_tells_pictures_apart():
    """The pictures' halves differ by little, and every layer is 1-Lipschitz: the encoder's layer norm amplifies it."""
    classifier = picture_classifier(hidden=[16], spectral_norm=True, normalize_inputs=None, input_scale=None)
    assert classifier.normalizes
    state = jax.jit(classifier.init, static_argnums=1)(jax.random.key(0), int(np.prod(BOX.shape)))
    step = jax.jit(classifier.train_step)
    for i in range(150):
        state, _ = step(state, flat(True, seed=i), flat(False, seed=i), jax.random.key(i))
    goal, other = (jax.nn.sigmoid(classifier.logits(state, flat(side, seed=999)[0])) for side in (True, False))
    assert goal.mean() > 0.9
    assert other.mean() < 0.1
