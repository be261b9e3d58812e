"""Pretrained weights in a GGUF file, the format of llama.cpp."""

from pathlib import Path
from typing import Any

import numpy as np

from rl_rewards.core.checks import require
from rl_rewards.core.errors import ConfigError, one_line
from rl_rewards.models.transformer.checkpoint import Checkpoint, extra, named

OUTER = {"embedding": "token_embd.weight", "norm": "output_norm.weight", "unembedding": "output.weight"}
INNER = {
    "q": "attn_q.weight",
    "k": "attn_k.weight",
    "v": "attn_v.weight",
    "o": "attn_output.weight",
    "gate": "ffn_gate.weight",
    "up": "ffn_up.weight",
    "down": "ffn_down.weight",
    "norm_attention": "attn_norm.weight",
    "norm_feed_forward": "ffn_norm.weight",
}
SIZES = {
    "width": "embedding_length",
    "layers": "block_count",
    "heads": "attention.head_count",
    "hidden": "feed_forward_length",
}


def read_gguf(path: Path) -> Any:
    """Return the ``gguf.GGUFReader`` of a file.

    Raises:
        ConfigError: if there is no such file, it is none of this format, or the package gguf is missing.
    """
    gguf = extra("gguf", path)
    require(path.is_file(), f"{path} does not exist; give the path of a GGUF file.")
    try:
        return gguf.GGUFReader(path)
    except (ValueError, IndexError, KeyError, OverflowError) as error:
        raise ConfigError(f"{path} cannot be read as a GGUF file: {one_line(error)}.") from error


def field(reader: Any, name: str, default: Any = None) -> Any:
    """Return the value of a GGUF file's field, or the default if the file lacks it."""
    found = reader.get_field(name)
    return default if found is None else found.contents()


def open_gguf(path: Path) -> "GGUFCheckpoint":
    """Return the weights in a GGUF file of architecture "llama".

    Raises:
        ConfigError: as :func:`read_gguf`, or if the architecture is another one, or a part of it is not supported.
    """
    reader = read_gguf(path)
    architecture = field(reader, "general.architecture")
    require(
        architecture == "llama", f'{path} has the architecture "{architecture}"; only "llama" can be loaded from GGUF.'
    )
    tensors = {tensor.name: tensor for tensor in reader.tensors}
    settings = {ours: _number(reader, path, theirs) for ours, theirs in SIZES.items()}
    size = settings["width"] // settings["heads"]
    experts = field(reader, "llama.expert_count", 0)
    scaling = field(reader, "llama.rope.scaling.type", "none")
    rotated = {field(reader, f"llama.{n}", size) for n in ("attention.key_length", "rope.dimension_count")}
    require(
        experts == 0 and scaling == "none" and rotated == {size} and "rope_freqs.weight" not in tensors,
        f"{path} has experts ({experts}), scaled rotations ({scaling}) or heads that are not width / heads = {size} "
        "wide; such models cannot be loaded.",
    )
    biased = sorted(name for name in tensors if name.endswith(".bias"))
    require(not biased, f"{path} has the bias {biased[0] if biased else ''}; models with biases cannot be loaded.")
    words = field(reader, "tokenizer.ggml.tokens")
    settings |= {
        "vocabulary": _number(reader, path, "vocab_size") if words is None else len(words),
        "kv_heads": field(reader, "llama.attention.head_count_kv", settings["heads"]),
        "rope_base": field(reader, "llama.rope.freq_base", 10000.0),
        "norm_epsilon": _number(reader, path, "attention.layer_norm_rms_epsilon"),
        "tied": OUTER["unembedding"] not in tensors,
    }
    return GGUFCheckpoint(str(path), settings, tensors)


class GGUFCheckpoint(Checkpoint):
    """The tensors of a GGUF file, dequantised when they are read."""

    def __init__(self, place: str, settings: dict[str, Any], tensors: dict[str, Any]) -> None:
        self.place, self.settings, self.tensors = place, settings, tensors

    def stored_name(self, name: str) -> str:
        return named(name, OUTER, INNER, "blk.{i}.")

    def read(self, name: str) -> np.ndarray:
        stored = self.stored_name(name)
        require(stored in self.tensors, f"{self.place} has no tensor {stored}, which its architecture needs.")
        tensor = self.tensors[stored]
        try:
            values = extra("gguf", self.place).dequantize(tensor.data, tensor.tensor_type)
        except NotImplementedError as error:
            raise ConfigError(
                f"{self.place}: the tensor {stored} has the type {tensor.tensor_type.name}, which cannot be read; "
                "Q4_1, Q8_0, F16 and F32 can."
            ) from error
        if name.endswith((".q", ".k")):
            return in_halves(values, self.settings["heads" if name.endswith(".q") else "kv_heads"])
        return values


def in_halves(matrix: np.ndarray, heads: int) -> np.ndarray:
    """Return the rows of a query or key matrix [out, in] in the order in which this package rotates pairs of them.

    GGUF files keep the two rows of a pair beside each other, here they are half a head apart.
    """
    if matrix.shape[0] % (2 * heads) != 0:
        return matrix  # of a wrong shape, which the loader reports
    return matrix.reshape(heads, -1, 2, matrix.shape[1]).swapaxes(1, 2).reshape(matrix.shape)


def _number(reader: Any, path: Path, name: str) -> Any:
    value = field(reader, f"llama.{name}")
    require(value is not None, f"{path} has no field llama.{name}, which its architecture needs.")
    return value
