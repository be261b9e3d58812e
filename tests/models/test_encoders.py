"""Tests that images go through convolutions and vectors stay unchanged."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rl_rewards.core.types import Box
from rl_rewards.models import encoders
from rl_rewards.models.convolutions import StridedConvolution
from rl_rewards.models.encoders import ObsEncoder, in_chunks, is_image, random_shift
from tests.probes import make

MODEL = make("model", "mlp", hidden=[8])
PICTURE = Box(shape=(13, 10, 3), dtype="uint8")
PICTURES = np.random.default_rng(0).integers(0, 256, (10, *PICTURE.shape)).astype(np.uint8)


def test_only_bytes_of_rank_three_are_pictures():
    assert is_image(PICTURE)
    assert not any(map(is_image, (Box(shape=(4, 4, 3)), Box(shape=(4, 4), dtype="uint8"), Box(shape=(2,)))))


@pytest.mark.parametrize(("kernel", "stride"), [(8, 4), (4, 2), (3, 1)])
def test_a_strided_convolution_is_the_usual_one(kernel, stride):
    x = jnp.asarray(PICTURES, jnp.float32) / 255.0
    layer = StridedConvolution(5, kernel, stride)
    variables = layer.init(jax.random.key(0), x)
    cells, depth = kernel // stride, x.shape[-1]
    usual = variables["params"]["kernel"].reshape(cells, cells, stride, stride, depth, 5)
    usual = usual.transpose(0, 2, 1, 3, 4, 5).reshape(kernel, kernel, depth, 5)
    missing = [(-(-n // stride) + cells - 1) * stride - n for n in x.shape[1:3]]
    padding = [(n // 2, n - n // 2) for n in missing]
    expected = jax.lax.conv_general_dilated(
        x, usual, (stride, stride), padding, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    np.testing.assert_allclose(layer.apply(variables, x), expected, atol=1e-5)


def test_vectors_stay_as_they_are():
    encoder = ObsEncoder(MODEL, Box(shape=(3, 2)))
    obs = jax.random.normal(jax.random.key(0), (4, 3, 2))
    assert encoder.init(jax.random.key(1)) == {} and encoder.size == 6
    np.testing.assert_array_equal(encoder({}, encoder.flat(obs, None)), obs.reshape(4, 6))
    np.testing.assert_array_equal(encoder.flat(obs, lambda x: 2.0 * x), 2.0 * obs.reshape(4, 6))


def test_pictures_become_features_whatever_the_batch(monkeypatch):
    """Images are encoded in chunks, with a remainder; they are stored as bytes and never normalised."""
    encoder = ObsEncoder(MODEL, PICTURE)
    params = encoder.init(jax.random.key(0))
    stored = encoder.flat(jnp.asarray(PICTURES), lambda _: pytest.fail("normalised"))
    assert stored.dtype == jnp.uint8
    whole = encoder(params, stored)
    assert whole.shape == (10, encoder.size) and np.abs(whole).max() <= 1.0
    np.testing.assert_allclose(encoder(params, stored.reshape(2, 5, *PICTURE.shape)).reshape(10, -1), whole, atol=1e-6)
    np.testing.assert_allclose(encoder(params, stored[3]), whole[3], atol=1e-6)
    in_unit = encoder.network.apply(params, stored / 255.0)
    np.testing.assert_allclose(whole, in_unit, atol=1e-6)
    monkeypatch.setattr(encoders, "CHUNK", 4)
    np.testing.assert_allclose(encoder(params, stored), whole, atol=1e-6)
    np.testing.assert_array_equal(in_chunks(lambda rows: 2 * rows, jnp.arange(10)), 2 * np.arange(10))


def test_random_shifts_move_the_whole_picture():
    picture = np.zeros((40, 9, 9, 1), np.uint8)
    picture[:, 4, 4] = 255
    moved = np.asarray(random_shift(jax.random.key(0), jnp.asarray(picture), 2))
    assert moved.dtype == np.uint8 and moved.shape == picture.shape
    places = np.argwhere(moved[..., 0] == 255)
    assert len(places) == 40, "every image is still there"
    assert {*places[:, 1].tolist()} == {*places[:, 2].tolist()} == {2, 3, 4, 5, 6}
    np.testing.assert_array_equal(random_shift(jax.random.key(0), jnp.asarray(picture), 0), picture)
    edge = np.full((5, 6, 6, 3), 7, np.uint8)
    np.testing.assert_array_equal(random_shift(jax.random.key(1), jnp.asarray(edge), 3), edge)
