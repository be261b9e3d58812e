"""The random keys of a run, all of one implementation."""

import jax
import jax.numpy as jnp
from jax.interpreters import mlir
from jaxtyping import Array, Int, UInt32

from rl_rewards.core.types import Key

IMPLEMENTATION = "philox4x32"
"""Philox 4x32-10 (Salmon et al. 2011, doi:10.1145/2063384.2063405). On a CPU it draws 10,240 numbers in a third of the
time that JAX's default, Threefry, takes. As with Threefry, a seed among several draws what it draws alone."""


def new_key(seed: int | Int[Array, ""]) -> Key:
    """Return the key of ``seed``."""
    return jax.random.key(seed, impl=IMPLEMENTATION)


def key_from_data(data: UInt32[Array, "*batch 2"]) -> Key:
    """Return the keys [*batch] whose ``jax.random.key_data`` is ``data``."""
    return jax.random.wrap_key_data(data, impl=IMPLEMENTATION)


def lower_for_several_devices() -> None:
    """Let Philox compile for several devices.

    It needs the upper half of a product of two 32-bit numbers, ``mulhi``, which jaxlib 0.10.2 compiles for one device
    only. Here it is the product of 64-bit numbers, which has the same bits and takes as long.
    """
    mlir.register_lowering(jax.lax.mulhi_p, mlir.lower_fun(_upper_half, multiple_results=False))


def _upper_half(x: UInt32[Array, "*batch"], y: UInt32[Array, "*batch"]) -> UInt32[Array, "*batch"]:
    with jax.enable_x64(True):
        product = jnp.multiply(x.astype(jnp.uint64), y.astype(jnp.uint64))
        return (product >> jnp.uint64(32)).astype(jnp.uint32)
