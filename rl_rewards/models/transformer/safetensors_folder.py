"""Pretrained weights in a folder with config.json and one or more ``*.safetensors``, as Hugging Face writes it."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from rl_rewards.core.checks import require
from rl_rewards.core.errors import ConfigError, one_line
from rl_rewards.models.transformer.checkpoint import Checkpoint, extra, named

OUTER = {"embedding": "model.embed_tokens.weight", "norm": "model.norm.weight", "unembedding": "lm_head.weight"}
INNER = {
    **{name: f"self_attn.{name}_proj.weight" for name in ("q", "k", "v", "o")},
    **{name: f"mlp.{name}_proj.weight" for name in ("gate", "up", "down")},
    "norm_attention": "input_layernorm.weight",
    "norm_feed_forward": "post_attention_layernorm.weight",
}
SIZES = {
    "vocabulary": "vocab_size",
    "width": "hidden_size",
    "layers": "num_hidden_layers",
    "heads": "num_attention_heads",
    "hidden": "intermediate_size",
}
FAMILY = ("llama", "mistral")
PLAIN = {"hidden_act": "silu", "attention_bias": False, "mlp_bias": False, "sliding_window": None}
"""Settings of which only one value is supported, which is also meant where they are missing."""


def open_folder(path: Path) -> "FolderCheckpoint":
    """Return the weights in a folder.

    Raises:
        ConfigError: if a file or a setting is missing, or the model is not of the Llama family, or has a part that is
            not supported, or the package safetensors is missing.
    """
    safetensors, file = extra("safetensors", path), path / "config.json"
    require(file.is_file(), f"{path} has no config.json; give a folder with config.json and *.safetensors.")
    try:
        config = json.loads(file.read_text())
    except ValueError as error:
        raise ConfigError(f"{file} is not valid JSON: {one_line(error)}.") from error
    settings = _settings(config, file)
    files = {}
    for part in sorted(path.glob("*.safetensors")):
        try:
            opened = safetensors.safe_open(part, framework="flax")
        except safetensors.SafetensorError as error:
            raise ConfigError(f"{part} cannot be read: {one_line(error)}.") from error
        files |= dict.fromkeys(opened.keys(), opened)
    require(len(files) > 0, f"{path} has no *.safetensors with weights.")
    return FolderCheckpoint(str(path), settings, files)


class FolderCheckpoint(Checkpoint):
    """The tensors of a folder, which are read when they are asked for."""

    def __init__(self, place: str, settings: dict[str, Any], files: dict[str, Any]) -> None:
        self.place, self.settings, self.files = place, settings, files

    def stored_name(self, name: str) -> str:
        return named(name, OUTER, INNER, "model.layers.{i}.")

    def read(self, name: str) -> np.ndarray:
        stored = self.stored_name(name)
        require(stored in self.files, f"{self.place} has no tensor {stored}, which its architecture needs.")
        return np.asarray(self.files[stored].get_tensor(stored), np.float32)


def _settings(config: dict[str, Any], file: Path) -> dict[str, Any]:
    """Return the arguments of ``TransformerModel``."""
    kind = config.get("model_type")
    require(kind in FAMILY, f'{file} has model_type "{kind}"; only {" and ".join(FAMILY)} can be loaded.')
    for name in SIZES.values():
        require(isinstance(config.get(name), int), f"{file} must give {name} as a whole number.")
    for name, plain in PLAIN.items():
        require(config.get(name, plain) == plain, f"{file}: {name}={config.get(name)} is not supported, only {plain}.")
    rotation = config.get("rope_parameters") or config.get("rope_scaling") or {}
    kind = rotation.get("rope_type", rotation.get("type", "default"))
    require(kind == "default", f'{file}: rotations of type "{kind}" are not supported, only "default".')
    settings: dict[str, Any] = {ours: config[theirs] for ours, theirs in SIZES.items()}
    size = settings["width"] // settings["heads"]
    found = config.get("head_dim") or size
    require(found == size, f"{file}: head_dim={found} is not supported, only hidden_size / num_attention_heads={size}.")
    return settings | {
        "kv_heads": config.get("num_key_value_heads") or settings["heads"],
        "rope_base": float(rotation.get("rope_theta", config.get("rope_theta", 10000.0))),
        "norm_epsilon": float(config.get("rms_norm_eps", 1e-6)),
        "tied": bool(config.get("tie_word_embeddings", False)),
    }
