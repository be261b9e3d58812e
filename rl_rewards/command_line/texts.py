"""Data sets of texts that an environment of text writes itself, as episodes of one step; see ``datasets.py``."""

import numpy as np

from rl_rewards.core.checks import require
from rl_rewards.data.demonstrations.fit import Demonstrations
from rl_rewards.data.reference_returns import ReferenceReturns
from rl_rewards.envs.base import Environment
from rl_rewards.envs.text.base import Corpus, TextEnv
from rl_rewards.loop.recordings import recording_seed
from rl_rewards.loop.texts_as_episodes import episodes_of


def written_texts(env: Environment, quality: str, texts: int, seed: int, number: int) -> Demonstrations:
    """Return ``texts`` episodes of one step, with their true reward and info; ``number`` chooses the random stream.

    Raises:
        ConfigError: if the environment writes no texts of this quality.
    """
    require(isinstance(env, TextEnv), f"{env.spec.name} is not an environment of text, so that it writes no texts.")
    assert isinstance(env, TextEnv)
    rng = np.random.default_rng(recording_seed(seed, number))
    return episodes_of(env, env.demonstrate(rng, texts, quality))


def reference_of_texts(env: Environment, best: str, texts: int, seed: int, number: int) -> ReferenceReturns:
    """Return the mean returns of uniformly random tokens, and of texts of the quality ``best``."""
    good = written_texts(env, best, texts, seed, number)
    high = int(np.asarray(env.spec.action.high)[0])  # type: ignore[union-attr]
    rng = np.random.default_rng(recording_seed(seed, number + 1))
    tokens = rng.integers(0, high + 1, good["action"].shape).astype(np.int32)
    assert isinstance(env, TextEnv)
    noise = episodes_of(env, Corpus(good["obs"], tokens))
    return ReferenceReturns(float(noise["env_reward"].mean()), float(good["env_reward"].mean()))
