"""Tests of the transformer's language model against numpy references and its own invariances."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.models.transformer.lora import (
    add_lora,
    frozen_part,
    joined,
    merge_lora,
    trainable_mask,
    trained_part,
)
from rl_rewards.models.transformer.model import TransformerModel
from rl_rewards.models.transformer.network import attend, left_padding, product, rms_norm, rotate
from tests.models.transformer.small import transformer
from tests.probes import make

SMALL = {"vocabulary": 11, "width": 16, "layers": 2, "heads": 4, "kv_heads": 2, "hidden": 24}
MODEL = transformer(**SMALL)
NETWORK = MODEL.language_model()
TOKENS = jnp.array([[0, 0, 3, 5, 7, 2], [4, 1, 9, 10, 3, 3]], jnp.int32)


@functools.cache
def params():
    return jax.jit(NETWORK.init)(jax.random.key(0), TOKENS)


logits = jax.jit(NETWORK.apply)


def numpy_logits(tree, tokens: list[int], model: TransformerModel) -> np.ndarray:
    """Return the logits of one row without padding, in plain loops over tokens and heads."""
    tree = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), tree)["params"]
    size, heads, group = model.width // model.heads, model.heads, model.heads // model.kv_heads

    def norm(x, scale):
        return x / np.sqrt((x**2).mean(-1, keepdims=True) + model.norm_epsilon) * scale

    def turned(x, position):
        pairs = x[: size // 2] + 1j * x[size // 2 :]
        pairs = pairs * np.exp(1j * position * model.rope_base ** (-2 * np.arange(size // 2) / size))
        return np.concatenate([pairs.real, pairs.imag])

    x = tree["embedding"][tokens]
    for i in range(model.layers):
        w = {name: leaf[i] for name, leaf in tree["layers"].items()}
        y, mixed = norm(x, w["norm_attention"]), np.zeros_like(x)
        q, k, v = y @ w["q"], y @ w["k"], y @ w["v"]
        for t in range(len(tokens)):
            for h in range(heads):
                own, shared = slice(h * size, (h + 1) * size), slice(h // group * size, (h // group + 1) * size)
                query = turned(q[t, own], t)
                scores = np.array([query @ turned(k[s, shared], s) for s in range(t + 1)]) / size**0.5
                weights = np.exp(scores) / np.exp(scores).sum()
                mixed[t, own] = weights @ v[: t + 1, shared]
        x = x + mixed @ w["o"]
        y = norm(x, w["norm_feed_forward"])
        gate = y @ w["gate"]
        x = x + (gate / (1 + np.exp(-gate)) * (y @ w["up"])) @ w["down"]
    return norm(x, tree["norm"]) @ tree["embedding"].T


def test_logits_are_those_of_a_reference_in_numpy():
    """The first row is padded by two tokens, so its reference sees four tokens from position 0."""
    found = logits(params(), TOKENS)
    assert found.shape == (2, 6, 11) and found.dtype == jnp.float32
    np.testing.assert_allclose(found[0, 2:], numpy_logits(params(), [3, 5, 7, 2], MODEL), atol=1e-5)
    np.testing.assert_allclose(found[1], numpy_logits(params(), [4, 1, 9, 10, 3, 3], MODEL), atol=1e-5)


def test_a_scan_over_many_layers_gives_the_reference_too():
    model = transformer(**SMALL | {"layers": 5})
    network = model.language_model()
    tree = jax.jit(network.init)(jax.random.key(1), TOKENS)
    found = jax.jit(network.apply)(tree, TOKENS)
    np.testing.assert_allclose(found[1], numpy_logits(tree, TOKENS[1].tolist(), model), atol=1e-5)


def test_rotation_is_that_of_complex_numbers():
    x = np.random.default_rng(0).normal(size=(1, 1, 3, 8)).astype(np.float32)
    positions = np.array([[0, 5, 1000]])
    found = rotate(jnp.asarray(x), jnp.asarray(positions), 100.0)
    pairs = (x[0, 0, :, :4] + 1j * x[0, 0, :, 4:]) * np.exp(1j * positions[0][:, None] * 100.0 ** (-np.arange(4) / 4))
    np.testing.assert_allclose(found[0, 0], np.concatenate([pairs.real, pairs.imag], axis=-1), atol=2e-4)
    np.testing.assert_allclose(found[0, 0, 0], x[0, 0, 0], atol=1e-7)  # position 0 turns nothing


def test_rms_norm_by_hand():
    found = rms_norm(jnp.array([3.0, 4.0]), jnp.array([1.0, 2.0]), 0.5)
    np.testing.assert_allclose(found, [3 / 13**0.5, 8 / 13**0.5], rtol=1e-6)  # mean square 12.5, and 0.5


def test_shared_heads_act_as_repeated_ones():
    q, k, v = (jax.random.normal(jax.random.key(i), (2, heads, 5, 8)) for i, heads in enumerate((4, 2, 2)))
    visible = jnp.tril(jnp.ones((5, 5), bool))[None].repeat(2, 0)
    found = attend(q, k, v, visible)
    np.testing.assert_allclose(found, attend(q, k.repeat(2, 1), v.repeat(2, 1), visible), atol=1e-6)
    np.testing.assert_allclose(found[:, :, 0], v.repeat(2, 1)[:, :, 0], atol=1e-6)  # the first token sees itself


@pytest.mark.parametrize(("inputs", "outputs"), [(3, 5), (5, 3)])
def test_the_product_has_the_gradients_of_a_product(inputs, outputs):
    x, matrix = (
        jax.random.normal(jax.random.key(0), (2, 4, inputs)),
        jax.random.normal(jax.random.key(1), (inputs, outputs)),
    )
    weights = jax.random.normal(jax.random.key(2), (2, 4, outputs))
    of_x, of_matrix = jax.grad(lambda x, m: (product(x, m) * weights).sum(), argnums=(0, 1))(x, matrix)
    np.testing.assert_allclose(of_x, np.einsum("abe,de->abd", weights, matrix), atol=1e-5)
    np.testing.assert_allclose(of_matrix, np.einsum("abd,abe->de", x, weights), atol=1e-5)


def test_a_later_token_changes_no_earlier_logits():
    changed = TOKENS.at[:, 4].set(8)
    before, after = logits(params(), TOKENS), logits(params(), changed)
    np.testing.assert_array_equal(before[1, :4], after[1, :4])
    assert np.abs(before[1, 4:] - after[1, 4:]).max(axis=-1).min() > 1e-3


def test_one_more_pad_on_the_left_changes_nothing():
    row = TOKENS[:1]
    moved = jnp.concatenate([row[:, :1] * 0, row[:, :-1]], axis=1)
    np.testing.assert_allclose(logits(params(), moved)[0, 3:], logits(params(), row)[0, 2:-1], atol=1e-5)
    assert left_padding(jnp.array([[0, 0, 3], [1, 0, 2], [0, 0, 0]]), 0).tolist() == [2, 0, 3]
    assert bool(jnp.isfinite(logits(params(), TOKENS * 0)).all())


@pytest.mark.parametrize("layers", [2, 5])
def test_the_cache_gives_the_logits_of_the_whole(layers):
    network = transformer(**SMALL | {"layers": layers}).language_model()
    tree = jax.jit(network.init)(jax.random.key(1), TOKENS)
    whole = jax.jit(network.apply)(tree, TOKENS)
    cache, last = network.apply(tree, TOKENS[:, :3], 6, method="prefill")
    assert cache.keys.shape == (layers, 2, 2, 6, 4)
    np.testing.assert_allclose(last, whole[:, 2], atol=1e-5)
    step = jax.jit(functools.partial(network.apply, method="decode"))
    for t in range(3, 6):
        cache, last = step(tree, cache, TOKENS[:, t])
        np.testing.assert_allclose(last, whole[:, t], atol=1e-5)
    assert int(cache.used) == 6


def test_bfloat16_is_close_and_its_logits_are_float32():
    network = transformer(**SMALL, dtype="bfloat16").language_model()
    found, exact = jax.jit(network.apply)(params(), TOKENS), logits(params(), TOKENS)
    assert found.dtype == jnp.float32
    assert 1e-4 < np.abs(found - exact)[1].max() < 0.1
    assert {leaf.dtype for leaf in jax.tree.leaves(jax.eval_shape(network.init, jax.random.key(0), TOKENS))} == {
        np.dtype("float32")
    }


def test_an_untied_model_has_its_own_last_layer():
    network = transformer(**SMALL, tied=False).language_model()
    tree = jax.jit(network.init)(jax.random.key(0), TOKENS)
    hidden = network.apply(tree, TOKENS, method="hidden")
    found = network.apply(tree, hidden, method="logits")
    np.testing.assert_allclose(found, hidden @ tree["params"]["unembedding"].T, atol=1e-5)


def test_lora_adds_nothing_at_first_and_merges_exactly():
    adapted = transformer(**SMALL, lora_rank=3, lora_alpha=6.0, lora_targets=("q", "v", "down"))
    network = adapted.language_model()
    tree = jax.jit(network.init)(jax.random.key(0), TOKENS)
    frozen = {"params": {name: part for name, part in tree["params"].items() if name != "lora"}}
    apply = jax.jit(network.apply)
    np.testing.assert_array_equal(apply(tree, TOKENS), logits(frozen, TOKENS))
    for i, pair in enumerate(tree["params"]["lora"].values()):
        pair["b"] = jax.random.normal(jax.random.key(i), pair["b"].shape)
    merged = merge_lora(tree, adapted.lora_alpha)
    q, pair = tree["params"]["layers"]["q"], tree["params"]["lora"]["q"]
    np.testing.assert_allclose(merged["params"]["layers"]["q"][1], q[1] + 2 * pair["a"][1] @ pair["b"][1], atol=1e-5)
    assert jax.tree.structure(merged) == jax.tree.structure(frozen)
    np.testing.assert_allclose(apply(tree, TOKENS), logits(merged, TOKENS), atol=1e-4)
    assert np.abs(apply(tree, TOKENS) - logits(frozen, TOKENS)).max() > 0.1


def test_lora_is_added_to_a_model_that_exists():
    model = transformer(**SMALL, lora_rank=2, lora_targets=("o",))
    found = add_lora(model, params(), jax.random.key(3))
    wanted = jax.eval_shape(model.language_model().init, jax.random.key(0), TOKENS)
    assert jax.tree.map(jnp.shape, found) == jax.tree.map(jnp.shape, wanted)
    np.testing.assert_array_equal(found["params"]["layers"]["q"], params()["params"]["layers"]["q"])
    assert float(jnp.std(found["params"]["lora"]["o"]["a"])) > 0.1 and not found["params"]["lora"]["o"]["b"].any()
    with pytest.raises(ConfigError, match=r"has LoRA weights already; merge them with merge_lora"):
        add_lora(model, found, jax.random.key(4))
    with pytest.raises(ConfigError, match=r"model\.lora_rank=0 has no LoRA weights to add"):
        add_lora(MODEL, params(), jax.random.key(4))


def test_only_lora_weights_train():
    tree = transformer(**SMALL, lora_rank=2).language_model().init(jax.random.key(0), TOKENS)
    mask = trainable_mask(tree)
    optimizer = optax.chain(optax.masked(optax.sgd(1.0), mask), optax.masked(optax.set_to_zero(), _opposite(mask)))
    updates, _ = optimizer.update(jax.tree.map(jnp.ones_like, tree), optimizer.init(tree), tree)
    for path, leaf in jax.tree_util.tree_leaves_with_path(updates):
        assert float(leaf.min()) == float(leaf.max()) == (-1.0 if "lora" in str(path) else 0.0)
    assert all(jax.tree.leaves(trainable_mask(params())))
    reward = trainable_mask({"params": {"language": tree["params"], "head": {"kernel": jnp.ones(2)}}})["params"]
    assert reward["head"]["kernel"] and reward["language"] == mask["params"]


def test_trained_and_frozen_weights_are_the_whole_tree():
    tree = transformer(**SMALL, lora_rank=2).language_model().init(jax.random.key(0), TOKENS)
    both = {"model": tree, "value": {"params": {"kernel": jnp.ones(2)}}}
    trained, frozen = trained_part(both), frozen_part(both)
    assert set(trained["model"]["params"]) == {"lora"} and "lora" not in frozen["model"]["params"]
    assert trained["value"] == both["value"] and jax.tree.leaves(frozen["value"]) == []
    whole = joined(trained, frozen)
    assert jax.tree.structure(whole) == jax.tree.structure(both)
    assert all(a is b for a, b in zip(jax.tree.leaves(whole), jax.tree.leaves(both), strict=True)), "no copy"
    assert jax.tree.structure(trained_part(params())) == jax.tree.structure(params())
    assert jax.tree.structure(joined(params(), frozen_part(params()))) == jax.tree.structure(params())


def _opposite(mask):
    return jax.tree.map(lambda on: not on, mask)


def test_a_model_that_does_not_know_its_tokens_builds_nothing():
    with pytest.raises(ConfigError, match="stand for the tokens of an environment"):
        make("model", "transformer").language_model()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layers": 0}, "model.layers=0 must be at least 1."),
        ({"heads": 3}, "model.width=16 must be an even multiple of model.heads=3."),
        ({"kv_heads": 3}, "model.heads=4 must be a multiple of model.kv_heads=3."),
        ({"pad": 11}, "model.pad=11 must be one of the model.vocabulary=11 tokens, counted from 0."),
        ({"rope_base": 0.0}, "model.rope_base=0.0 must be above 0."),
        ({"lora_rank": -1}, "model.lora_rank=-1 must be at least 0; 0 switches LoRA off."),
        ({"dtype": "float16"}, "model.dtype=float16 is not valid; it must be float32 or bfloat16."),
        (
            {"lora_targets": ("query",)},
            "model.lora_targets=['query'] must name at least one of q, k, v, o, gate, up, down, and no other.",
        ),
    ],
)
def test_settings_out_of_range_are_refused_in_one_sentence(change, message):
    with pytest.raises(ConfigError) as error:
        transformer(**SMALL | change)
    assert str(error.value) == message


def test_padding_sees_nothing_of_what_comes_after_it():
    """A row without a prompt predicts its first token from padding alone."""
    one, other = jnp.array([[0, 0, 3, 5]]), jnp.array([[0, 0, 7, 9]])
    np.testing.assert_array_equal(logits(params(), one)[0, :2], logits(params(), other)[0, :2])
