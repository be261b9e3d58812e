"""Tests of networks: shapes, initial gains, spectral norm, and dropout in training only."""

import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import flatten_dict

import rl_rewards
from rl_rewards.core.errors import ConfigError
from rl_rewards.loop import build
from rl_rewards.models.cnn import CNNModel
from rl_rewards.models.heads import NormalActor
from rl_rewards.models.networks import MLP
from tests.probes import make
from tests.runs import composed


def kernels(variables) -> dict[str, np.ndarray]:
    return {"/".join(k): np.asarray(v) for k, v in flatten_dict(variables["params"]).items() if k[-1] == "kernel"}


def test_initial_weights_are_orthogonal_with_the_stated_gains():
    network = MLP((16, 16), 1, "tanh", output_gain=0.01)
    weights = kernels(network.init(jax.random.key(0), jnp.zeros((1, 8))))
    gains = [np.linalg.svd(w, compute_uv=False) for _, w in sorted(weights.items())]
    for singular_values, expected in zip(gains, [2**0.5, 2**0.5, 0.01], strict=True):
        np.testing.assert_allclose(singular_values, expected, rtol=1e-4)


def test_batched_initialisation_is_that_of_every_key_alone():
    """As many concurrent batched QR factorisations as there are threads would deadlock, so none is batched."""
    network, x = MLP((16, 16), 4, "tanh"), jnp.zeros((1, 8))
    keys = jax.random.split(jax.random.key(0), 3)
    program = jax.jit(jax.vmap(lambda key: network.init(key, x)))
    if jax.default_backend() == "cpu":
        lines = program.lower(keys).compile().as_text().splitlines()
        factorisations = [line for line in lines if 'custom_call_target="lapack_sgeqrf_ffi"' in line]
        assert factorisations
        for line in factorisations:
            assert re.search(r"= \(f32\[\d+,\d+\]", line), "each QR is of a single matrix"
    together = program(keys)
    for i, key in enumerate(keys):
        alone = kernels(network.init(key, x))
        for name, weights in kernels(together).items():
            np.testing.assert_allclose(weights[i], alone[name], atol=1e-6)


def test_spectral_norm_holds_every_layer_at_one():
    """After enough training calls, the largest singular value of the applied weights is 1 for any raw weights."""
    network = MLP((16,), 4, "relu", spectral_norm=True)
    x = jax.random.normal(jax.random.key(1), (32, 8))
    variables = network.init(jax.random.key(0), x)
    rescale = np.random.default_rng(0).normal(size=100)
    params = jax.tree.map(lambda w: 3.0 * w * rescale[: w.shape[0], None] if w.ndim == 2 else w, variables["params"])
    stats = variables["batch_stats"]

    @jax.jit
    def train_call(stats):
        return network.apply({"params": params, "batch_stats": stats}, x, train=True, mutable=["batch_stats"])[1]

    for _ in range(100):
        stats = train_call(stats)["batch_stats"]
    raw = kernels({"params": params})
    sigma = {"/".join(k): float(v) for k, v in flatten_dict(stats).items() if k[-1].endswith("sigma")}
    assert len(raw) == len(sigma) == 2
    for weight, stored in zip(sorted(raw), sorted(sigma), strict=True):
        largest = np.linalg.svd(raw[weight], compute_uv=False)[0]
        assert largest / sigma[stored] == pytest.approx(1.0, rel=1e-3), weight
    output = network.apply({"params": params, "batch_stats": stats}, x)
    gain = np.linalg.norm(output - network.apply({"params": params, "batch_stats": stats}, jnp.zeros_like(x)), axis=-1)
    assert np.all(gain <= np.linalg.norm(x, axis=-1) * 1.001), "the whole network is 1-Lipschitz"


def test_dropout_acts_in_training_only():
    network = MLP((64,), 1, "tanh", dropout=0.5)
    x = jnp.ones((4, 8))
    variables = network.init(jax.random.key(0), x)
    plain = MLP((64,), 1, "tanh").apply(variables, x)
    np.testing.assert_array_equal(network.apply(variables, x), plain, err_msg="in use nothing is dropped")
    dropped = network.apply(variables, x, train=True, rngs={"dropout": jax.random.key(1)})
    assert not np.allclose(dropped, plain)


@pytest.mark.parametrize("batch", [(), (3,), (2, 3)])
def test_actor_shapes(batch):
    actor = NormalActor(make("model", "mlp", hidden=[8]), 3, -0.7)
    variables = actor.init(jax.random.key(0), jnp.zeros((1, 5)))
    mean, log_std = actor.apply(variables, jnp.ones((*batch, 5)))
    assert mean.shape == log_std.shape == (*batch, 3)
    np.testing.assert_allclose(log_std, -0.7)
    assert np.abs(mean).max() < 0.1, "a fresh policy acts near the middle of the range"


@pytest.mark.parametrize(
    ("model", "overrides"),
    [
        ("algorithm.model", ("algorithm=ppo",)),
        ("algorithm.model", ("algorithm=sac",)),
        ("reward.classifier.model", ()),
        ("reward.classifier.model", ("reward=airl",)),
        ("reward.reward_model.model", ("reward=preferences",)),
        ("reward.model", ("reward=curiosity",)),
        ("reward.model", ("reward=random",)),
    ],
)
def test_a_layer_without_width_is_refused(model, overrides):
    with pytest.raises(ConfigError, match=rf"{model}\.hidden=\[64, 0\] must contain only widths of at least 1"):
        build.build(composed("env=point", *overrides, f"{model}.hidden=[64,0]"))


def test_what_a_part_cannot_learn_with_is_refused():
    for override, sentence in (
        (
            "algorithm.model.dropout=0.1",
            r"algorithm\.model has dropout or spectral norm, which only classifiers support",
        ),
        ("model@algorithm.model=cnn", r"algorithm\.model is a CNNModel, which needs images"),
        ("model@reward.classifier.model=cnn", r"reward\.classifier\.model is a CNNModel, which needs images"),
        ("algorithm.model.activation=sine", r"^algorithm\.model\.activation=sine is not known; choose from tanh"),
        ("reward.classifier.model.dropout=1.5", r"^reward\.classifier\.model\.dropout=1\.5 must lie in \[0, 1\)"),
    ):
        with pytest.raises(ConfigError, match=sentence):
            build.build(composed("env=point", override))


def test_convolutions_are_of_the_chosen_sizes():
    model = make("model", "cnn", channels=[4], kernels=[6], strides=[3], features=5)
    shapes = jax.eval_shape(model.convolutions().init, jax.random.key(0), jnp.zeros((1, 12, 12, 3)))["params"]
    assert shapes["StridedConvolution_0"]["kernel"].shape == (6 * 6 * 3, 4)
    assert shapes["Dense_0"]["kernel"].shape == (4 * 4 * 4, 5)
    for changes, sentence in (
        ({"kernels": [8]}, r"model\.kernels=\[8\] must have one number"),
        ({"strides": [3, 2]}, r"model\.kernels=\[8, 4\] must be multiples of model\.strides=\[3, 2\]"),
    ):
        with pytest.raises(ConfigError, match=sentence):
            make_model(**changes)


def make_model(**changes):
    """Return a CNN built without Hydra, so that its errors are raised unchanged."""
    settings = {"hidden": (8,), "activation": "tanh", "layer_norm": False, "dropout": 0.0, "spectral_norm": False}
    return CNNModel(**settings | {"channels": (16, 32), "kernels": (8, 4), "strides": (4, 2), "features": 8} | changes)


def test_layer_norm_makes_hidden_layers_blind_to_the_scale_of_inputs():
    network = MLP((16,), 1, "relu", layer_norm=True)
    x = jax.random.normal(jax.random.key(1), (4, 8))
    variables = network.init(jax.random.key(0), x)
    assert "LayerNorm_0" in variables["params"]
    np.testing.assert_allclose(network.apply(variables, 100.0 * x), network.apply(variables, 10.0 * x), atol=1e-3)


def test_no_network_is_built_outside_of_models():
    package = Path(rl_rewards.__file__).parent
    for path in package.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert "object.__setattr__" not in text, f"{path}: use dataclasses.replace instead"
        assert package / "models" in path.parents or not re.search(r"\bMLP\(|nn\.(compact|Dense|Conv)\b", text), path
