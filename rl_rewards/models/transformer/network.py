"""The transformer as a language model: the architecture of Llama (arXiv:2302.13971) in one file.

A token's vector is normalised by its root mean square before every attention and every feed-forward part (RMSNorm,
arXiv:1910.07467). Positions rotate queries and keys (RoPE, arXiv:2104.09864). Several query heads may share one head of
keys and values (GQA, arXiv:2305.13245), and the feed-forward part is gated (SwiGLU, arXiv:2002.05202).

Sizes: B sequences, T tokens, V vocabulary, W width, S places in the cache, H query heads, G key-value heads, D
numbers per head.
"""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax import struct
from jax import Array
from jaxtyping import Bool, Float, Int

UNROLLED = 4  # models of at most this many layers are a Python loop; a scan over more layers compiles faster
MASKED = -1e30  # the score of what must not be attended to; finite, so that a row without any token gives no NaN


@struct.dataclass
class Cache:
    """The keys and values of the tokens that a network has read; place s holds the s-th token, padding included."""

    keys: Float[Array, "layers B G S D"]
    values: Float[Array, "layers B G S D"]
    start: Int[Array, " B"]  # the place of the first token that is not padding
    used: Int[Array, ""]  # the number of places that hold a token, equal in all sequences


def left_padding(tokens: Int[Array, "B T"], pad: int) -> Int[Array, " B"]:
    """Return the number of padding tokens before the first other token; T in a row of padding only."""
    real = tokens != pad
    return jnp.where(real.any(axis=-1), jnp.argmax(real, axis=-1), tokens.shape[-1])


def rms_norm(x: Float[Array, "*batch W"], scale: Float[Array, " W"], epsilon: float) -> Float[Array, "*batch W"]:
    """Return ``x`` divided by its root mean square, times ``scale``."""
    return x * jax.lax.rsqrt(jnp.mean(x * x, axis=-1, keepdims=True) + epsilon) * scale


def rotate(x: Float[Array, "B heads T D"], positions: Int[Array, "B T"], base: float) -> Float[Array, "B heads T D"]:
    """Return ``x`` with the pair of its numbers (d, d + D/2) rotated by the angle position * base^(-2d/D)."""
    half = x.shape[-1] // 2
    frequencies = base ** (-jnp.arange(half, dtype=jnp.float32) / half)
    angles = positions[:, None, :, None] * frequencies
    cos, sin = jnp.cos(angles), jnp.sin(angles)
    first, second = x[..., :half], x[..., half:]
    return jnp.concatenate([first * cos - second * sin, second * cos + first * sin], axis=-1)


def attend(
    queries: Float[Array, "B H T D"],
    keys: Float[Array, "B G S D"],
    values: Float[Array, "B G S D"],
    visible: Bool[Array, "B T S"],
) -> Float[Array, "B H T D"]:
    """Return the values averaged with the softmax of queries times keys; query heads share keys in groups of H/G.

    A query that sees nothing, as at padding, gets 0, so that it does not see what comes after it. Dividing by the sum
    of the weights at the end saves a pass over all pairs of tokens, forwards and backwards.
    """
    batch, heads, length, size = queries.shape
    grouped = queries.reshape(batch, keys.shape[1], -1, length, size).astype(keys.dtype)
    scores = jnp.einsum("bgqtd,bgsd->bgqts", grouped, keys, preferred_element_type=jnp.float32)
    scores = jnp.where(visible[:, None, None], scores * size**-0.5, MASKED)
    weights = jnp.exp(scores - jax.lax.stop_gradient(scores.max(axis=-1, keepdims=True)))
    mixed = jnp.einsum("bgqts,bgsd->bgqtd", weights.astype(values.dtype), values, preferred_element_type=jnp.float32)
    sees = visible.any(axis=-1)[:, None, None, :, None]
    mixed = jnp.where(sees, mixed / weights.sum(axis=-1, keepdims=True), 0.0)
    return mixed.reshape(batch, heads, length, size)


class LanguageModel(nn.Module):
    """A transformer that predicts the next token: tokens [B, T] int32 -> logits [B, T, V] float32.

    Tokens equal to ``pad`` at the left of a row are padding: no token attends to them, and positions count from the
    first other token. Outputs at padding mean nothing. Padding at the right cannot be seen from the left, so only
    losses must mask it. :class:`~rl_rewards.models.transformer.model.TransformerModel` explains the attributes.

    Parameters are float32. The leaves of "layers" have the layers as their first axis; matrices map the second axis to
    the third. With ``lora_rank`` r > 0, "lora" holds for each target a [layers, in, r] and b [layers, r, out], and the
    matrix acts as its own plus (lora_alpha / r) a b (arXiv:2106.09685); b is zero at first.
    """

    vocabulary: int
    width: int
    layers: int
    heads: int
    kv_heads: int
    hidden_width: int
    rope_base: float
    norm_epsilon: float
    tied: bool
    dtype: str
    lora_rank: int
    lora_alpha: float
    lora_targets: tuple[str, ...]
    pad: int

    def setup(self) -> None:
        shapes = matrix_shapes(self.width, self.heads, self.kv_heads, self.hidden_width)
        adapted = {name: shapes[name] for name in self.lora_targets}
        self.embedding = self.param(
            "embedding", nn.initializers.normal(self.width**-0.5), (self.vocabulary, self.width)
        )
        self.stack = self.param("layers", lambda key: _initial_layers(key, shapes, self.layers, self.width))
        self.norm = self.param("norm", nn.initializers.ones, (self.width,))
        if not self.tied:
            self.unembedding = self.param(
                "unembedding", nn.initializers.normal(self.width**-0.5), (self.vocabulary, self.width)
            )
        if self.lora_rank > 0:
            self.lora = self.param("lora", lambda key: initial_lora(key, adapted, self.layers, self.lora_rank))

    def __call__(self, tokens: Int[Array, "B T"]) -> Float[Array, "B T V"]:
        return self.logits(self.hidden(tokens))

    def hidden(self, tokens: Int[Array, "B T"]) -> Float[Array, "B T W"]:
        """Return every token's vector after the last norm, from which ``logits`` predicts the token after it."""
        return self._read(tokens, left_padding(tokens, self.pad), None)[0]

    def logits(self, hidden: Float[Array, "*batch W"]) -> Float[Array, "*batch V"]:
        """Return the logits of the next token."""
        return self._times(hidden, (self.embedding if self.tied else self.unembedding).T)

    def prefill(self, tokens: Int[Array, "B P"], length: int) -> tuple[Cache, Float[Array, "B V"]]:
        """Return the cache after the tokens, with places for ``length`` tokens in all, and the next token's logits.

        The row's last token must not be padding.
        """
        batch, size = len(tokens), self.width // self.heads
        empty = jnp.zeros((self.layers, batch, self.kv_heads, length, size), self.dtype)
        cache = Cache(keys=empty, values=empty, start=left_padding(tokens, self.pad), used=jnp.int32(0))
        hidden, cache = self._read(tokens, cache.start, cache)
        return cache, self.logits(hidden[:, -1])

    def decode(self, cache: Cache, token: Int[Array, " B"]) -> tuple[Cache, Float[Array, "B V"]]:
        """Return the cache with one more token in every row, and the logits of the token after it."""
        hidden, cache = self._read(token[:, None], cache.start, cache)
        return cache, self.logits(hidden[:, 0])

    def _read(
        self, tokens: Int[Array, "B T"], start: Int[Array, " B"], cache: Cache | None
    ) -> tuple[Float[Array, "B T W"], Any]:
        """Return the tokens' vectors after the last norm, and the cache with these tokens, if there is one."""
        length = tokens.shape[1]
        used, places = (jnp.int32(0), length) if cache is None else (cache.used, cache.keys.shape[3])
        here, there = used + jnp.arange(length), jnp.arange(places)
        visible = (there <= here[:, None]) & (there >= start[:, None, None])
        positions = jnp.maximum(here - start[:, None], 0)

        def layer(x: Array, kept: Any, weights: dict, index: Any) -> tuple[Array, Any]:
            y = rms_norm(x, weights["norm_attention"], self.norm_epsilon)
            queries, keys, values = (self._heads(self._matrix(y, weights, name)) for name in "qkv")
            queries, keys = (rotate(z, positions, self.rope_base) for z in (queries, keys))
            keys, values = keys.astype(self.dtype), values.astype(self.dtype)
            if cache is not None:
                at = (index, 0, 0, used, 0)
                kept = tuple(
                    jax.lax.dynamic_update_slice(old, new[None], at)
                    for old, new in zip(kept, (keys, values), strict=True)
                )
                keys, values = (jax.lax.dynamic_index_in_dim(old, index, keepdims=False) for old in kept)
            mixed = attend(queries, keys, values, visible)
            x = x + self._matrix(jnp.moveaxis(mixed, 1, 2).reshape((*x.shape[:2], -1)), weights, "o")
            y = rms_norm(x, weights["norm_feed_forward"], self.norm_epsilon)
            gate = nn.silu(self._matrix(y, weights, "gate"))
            return x + self._matrix(gate * self._matrix(y, weights, "up"), weights, "down"), kept

        kept = None if cache is None else (cache.keys, cache.values)
        x, kept = self._through_layers(layer, self.embedding[tokens], kept)
        x = rms_norm(x, self.norm, self.norm_epsilon)
        if cache is not None:
            cache = Cache(keys=kept[0], values=kept[1], start=start, used=used + length)
        return x, cache

    def _through_layers(self, layer: Callable[..., tuple[Array, Any]], x: Array, kept: Any) -> tuple[Array, Any]:
        """Return the output of the last layer and what the layers kept, such as their keys and values."""
        lora = self.lora if self.lora_rank > 0 else {}
        stack = {**self.stack, **{f"lora_{name}": pair for name, pair in lora.items()}}
        if self.layers <= UNROLLED:
            for index in range(self.layers):
                x, kept = layer(x, kept, jax.tree.map(lambda leaf, i=index: leaf[i], stack), index)
            return x, kept
        indices = jnp.arange(self.layers)
        return jax.lax.scan(lambda carry, each: (layer(*carry, *each), None), (x, kept), (stack, indices))[0]

    def _heads(self, x: Float[Array, "B T all"]) -> Float[Array, "B heads T D"]:
        return jnp.moveaxis(x.reshape(*x.shape[:2], -1, self.width // self.heads), 1, 2)

    def _matrix(self, x: Float[Array, "B T d"], weights: dict, name: str) -> Float[Array, "B T e"]:
        """Return ``x`` times the layer's matrix ``name``, with its low-rank addition if it has one."""
        y = self._times(x, weights[name])
        if (pair := weights.get(f"lora_{name}")) is not None:
            y = y + self.lora_alpha / self.lora_rank * self._times(self._times(x, pair["a"]), pair["b"])
        return y

    def _times(self, x: Float[Array, "*batch d"], matrix: Float[Array, "d e"]) -> Float[Array, "*batch e"]:
        """Return the product of numbers rounded to ``dtype``, in float32."""
        return product(x.astype(self.dtype), matrix.astype(self.dtype))


@jax.custom_vjp
def product(x: Float[Array, "*batch d"], matrix: Float[Array, "d e"]) -> Float[Array, "*batch e"]:
    """Return ``x`` times the matrix, summed and returned in float32.

    Its own gradient makes training on CPUs a third faster: for the matrix's gradient XLA must transpose ``x`` or the
    output's gradient, always takes the latter, and computes what that depends on in the transposed order, without
    vector instructions. This one transposes the narrower of the two.
    """
    return jnp.dot(x, matrix, preferred_element_type=jnp.float32)


def _product_forward(x: Array, matrix: Array) -> tuple[Array, tuple[Array, Array]]:
    return product(x, matrix), (x, matrix)


def _product_backward(kept: tuple[Array, Array], gradient: Array) -> tuple[Array, Array]:
    x, matrix = kept
    gradient = gradient.astype(x.dtype)
    rows, gradients = x.reshape(-1, x.shape[-1]), gradient.reshape(-1, gradient.shape[-1])
    swapped = x.shape[-1] > gradient.shape[-1]
    sides = (gradients, rows) if swapped else (rows, gradients)
    of_matrix = jax.lax.dot_general(*sides, (((0,), (0,)), ((), ())), preferred_element_type=jnp.float32)
    of_x = jnp.dot(gradient, matrix.T, preferred_element_type=jnp.float32)
    return of_x.astype(x.dtype), (of_matrix.T if swapped else of_matrix).astype(matrix.dtype)


product.defvjp(_product_forward, _product_backward)


def matrix_shapes(width: int, heads: int, kv_heads: int, hidden_width: int) -> dict[str, tuple[int, int]]:
    """Return the inputs and outputs of each of a layer's matrices."""
    shared = width // heads * kv_heads
    attention = {"q": (width, width), "k": (width, shared), "v": (width, shared), "o": (width, width)}
    return attention | {"gate": (width, hidden_width), "up": (width, hidden_width), "down": (hidden_width, width)}


def _initial_layers(key: Array, shapes: dict[str, tuple[int, int]], layers: int, width: int) -> dict[str, Array]:
    """Return normal matrices that keep variances; those that add to a token's vector are smaller in deep models."""
    weights = {}
    for name, each in zip(shapes, jax.random.split(key, len(shapes)), strict=True):
        scale = shapes[name][0] ** -0.5 * ((2 * layers) ** -0.5 if name in ("o", "down") else 1.0)
        weights[name] = nn.initializers.normal(scale)(each, (layers, *shapes[name]))
    ones = jnp.ones((layers, width))
    return weights | {"norm_attention": ones, "norm_feed_forward": ones}


def initial_lora(key: Array, shapes: dict[str, tuple[int, int]], layers: int, rank: int) -> dict[str, Any]:
    """Return normal ``a`` and zero ``b`` for each matrix, so that they add nothing at first."""
    pairs = {}
    for (name, (inputs, outputs)), each in zip(shapes.items(), jax.random.split(key, len(shapes)), strict=True):
        a = nn.initializers.normal(inputs**-0.5)(each, (layers, inputs, rank))
        pairs[name] = {"a": a, "b": jnp.zeros((layers, rank, outputs))}
    return pairs
