"""Policies and rewards as ONNX files: onnxruntime computes what JAX computes, from the named inputs."""

import sys
from importlib import import_module
from importlib.util import find_spec

import jax.numpy as jnp
import numpy as np
import pytest

import rl_rewards
from rl_rewards.core.errors import ConfigError
from rl_rewards.loop import onnx_file
from rl_rewards.loop.onnx_file import OnnxInput, write_onnx
from tests.finished import untrained


def session(path):
    return import_module("onnxruntime").InferenceSession(path)


@pytest.fixture(scope="module")
def _is_installed():
    if find_spec("jax2onnx") is None:  # where it is installed, it must also be importable
        pytest.skip("jax2onnx is not installed: make onnx")


@pytest.mark.usefixtures("_is_installed")
def test_a_policy_acts_without_jax(kept_run, tmp_path):
    policy = rl_rewards.load_policy(kept_run)
    path = policy.to_onnx(tmp_path / "policy.onnx")
    obs = np.random.default_rng(1).normal(size=(9, 2)).astype(np.float32)
    (action,) = session(path).run(["action"], {"obs": obs})
    np.testing.assert_allclose(action, policy.predict(obs, deterministic=True), atol=1e-5)
    assert np.ptp(action) > 0.01, "the policy reads its observations"


@pytest.mark.usefixtures("_is_installed")
@pytest.mark.parametrize("reward", ["adversarial_classifier", "preferences"])
def test_a_reward_is_computed_from_what_it_reads(reward, tmp_path):
    run = untrained(tmp_path / "run", f"reward={reward}", "env=point")
    learned = rl_rewards.load_reward(run)
    ort = session(learned.to_onnx(tmp_path / "reward.onnx"))
    assert [one.name for one in ort.get_inputs()] == list(learned.reads)
    rng = np.random.default_rng(2)
    given = {name: rng.uniform(-1, 1, size=(9, 2)).astype(np.float32) for name in learned.reads}
    (found,) = ort.run(None, given)
    np.testing.assert_allclose(found, learned(**{"obs": np.zeros((9, 2), np.float32), **given}), atol=1e-5, rtol=1e-5)


@pytest.mark.usefixtures("_is_installed")
def test_a_file_that_differs_from_jax_is_not_written(tmp_path):
    calls = []

    def drifting(x):
        calls.append(x)
        return jnp.sum(x, axis=1) + 1e-3 * len(calls)  # every call has another result

    with pytest.raises(ConfigError, match=r"the converted reward differs from that of JAX by .*e-03"):
        write_onnx(tmp_path / "a.onnx", drifting, {"obs": OnnxInput((3,), "float32")}, "reward")
    assert not list(tmp_path.iterdir())


def test_says_what_to_install(kept_run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "jax2onnx", None)
    with pytest.raises(ConfigError, match="install both with: make onnx"):
        rl_rewards.load_policy(kept_run).to_onnx(tmp_path / "a.onnx")


def test_inputs_are_drawn_from_what_is_possible():
    rng = np.random.default_rng(0)
    assert set(OnnxInput((), "int32", 3).drawn(rng, 60)) == {0, 1, 2}
    pixels = OnnxInput((4, 4), "uint8").drawn(rng, 20)
    assert pixels.dtype == np.uint8 and pixels.max() > 200
    assert OnnxInput((2,), "float32").drawn(rng, onnx_file.CHECKED[0]).shape == (1, 2)
