"""Writes functions of arrays as ONNX files, which other languages can run without JAX.

jax2onnx converts what JAX traces. Before the file is written, onnxruntime computes the outputs of random inputs, which
must agree with JAX.
"""

import logging
from collections.abc import Callable, Mapping
from importlib import import_module
from os import PathLike
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import jax
import jax.extend
import jax.numpy as jnp
import numpy as np

from rl_rewards.core.errors import ConfigError

TOLERANCE = 1e-5
"""The largest difference from JAX; of numbers above 1, the largest relative difference."""
CHECKED = (1, 64)
"""The batch sizes that are checked."""


class OnnxInput(NamedTuple):
    """One input of a function, without its batch axis."""

    shape: tuple[int, ...]
    dtype: str
    choices: int | None = None  # of discrete numbers 0 .. choices - 1

    def drawn(self, rng: np.random.Generator, batch: int) -> np.ndarray:
        """Return random inputs [batch, *shape]: choices, bytes, or normally distributed numbers."""
        size = (batch, *self.shape)
        if np.issubdtype(self.dtype, np.integer):
            return rng.integers(256 if self.choices is None else self.choices, size=size).astype(self.dtype)
        return rng.normal(size=size).astype(self.dtype)


def write_onnx(
    path: str | PathLike, function: Callable[..., jax.Array], inputs: Mapping[str, OnnxInput], output: str
) -> Path:
    """Write ``function`` to an ONNX file, whose inputs and output have a first axis of any size; return its path.

    Args:
        function: takes an array [B, *shape] for each input, in order, and returns an array [B, ...].
        inputs: the inputs by their names in the file.
        output: the name of the output in the file.

    Raises:
        ConfigError: when jax2onnx is not installed, it cannot convert the function, its result differs from JAX by more
            than ``TOLERANCE``, or the file cannot be written.
    """
    path = Path(path)
    jax2onnx, onnxruntime = _libraries()
    batch = jax.export.symbolic_shape("B")
    specs = [jax.ShapeDtypeStruct((*batch, *one.shape), one.dtype) for one in inputs.values()]
    try:
        traced = jax.make_jaxpr(function)(*specs)  # jax2onnx replaces flax's layers, by what vmap does not know
        model = jax2onnx.to_onnx(
            jax.extend.core.jaxpr_as_fun(traced), specs, input_names=list(inputs), output_names=[output]
        )
        text = model.SerializeToString()
        session = onnxruntime.InferenceSession(text, providers=["CPUExecutionProvider"])
    except Exception as error:  # the libraries raise errors of many kinds for operations that they do not know
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ConfigError(f"{path} is not written: jax2onnx cannot convert this {output} ({reason}).") from error
    rng = np.random.default_rng(0)
    for count in CHECKED:
        given = {name: one.drawn(rng, count) for name, one in inputs.items()}
        expected = np.asarray(function(*map(jnp.asarray, given.values())), np.float64)
        (computed,) = session.run(None, given)
        same = computed.shape == expected.shape
        off = float(np.max(np.abs(computed - expected) / np.maximum(1.0, np.abs(expected)))) if same else np.inf
        if not off <= TOLERANCE:
            raise ConfigError(
                f"{path} is not written: the converted {output} differs from that of JAX by {off:.1e}, "
                f"more than {TOLERANCE:.0e}."
            )
    try:
        path.write_bytes(text)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror or error}.") from error
    return path


def _libraries() -> tuple[ModuleType, ModuleType]:
    """Import the libraries, without the warnings that jax2onnx prints about others that it does not find."""
    logging.getLogger("jax2onnx").setLevel(logging.CRITICAL)
    try:
        return import_module("jax2onnx"), import_module("onnxruntime")
    except ImportError as error:
        raise ConfigError("ONNX files need jax2onnx and onnxruntime; install both with: make onnx") from error
