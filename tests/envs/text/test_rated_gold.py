"""The rated gold: what every part of the reward is worth, on a few tokens."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rl_rewards.envs.text import prompt_file
from rl_rewards.envs.text.rated_gold import NO_END, REPEATED, SHORT, rated_parts
from rl_rewards.envs.text.vocabulary import ended
from rl_rewards.loop.collect import reset_jax
from tests.data.rated.made_up import BAD, END, PAD, A, B, C, D, V, invented, model, row
from tests.probes import make


def test_every_fault_has_its_price_and_gold_is_bounded():
    def worth(*tokens: int, usual: float = -1e9) -> dict[str, float]:
        parts = rated_parts(model(usual), row(*tokens), END, PAD)
        return {name: float(value[0]) for name, value in vars(parts).items()}

    fine = worth(C, D, A, C, B, END)
    assert fine["gold"] == pytest.approx(4 * np.tanh(0.25 / 4), abs=1e-5)
    assert (fine["ended"], fine["strange"], fine["repeated"], fine["short"]) == (1.0, 0.0, 0.0, 0.0)
    cut = worth(C, D, A, C, B)
    assert cut["gold"] == pytest.approx(4 * np.tanh((0.25 - NO_END) / 4), abs=1e-5)
    assert worth(C, D, END)["short"] == pytest.approx(3 * SHORT)
    assert worth(C, C, C, C, C, END)["repeated"] == pytest.approx(0.75 * REPEATED)
    strange = worth(C, D, B, C, B, END, usual=np.log(1 / V) + 0.5)
    assert strange["strange"] == pytest.approx(1.0, abs=1e-4)  # half a nat below
    assert worth(C, D, A, C, B, END, usual=10.0)["strange"] == 4.0
    assert -4 < worth(BAD, BAD, BAD, BAD, usual=10.0)["gold"] < -3


def test_gold_of_batches_of_any_shape_is_that_of_each():
    responses = jax.random.randint(jax.random.key(0), (3, 2, 10), 0, V)
    learned = model(-2.0)
    found = jax.jit(lambda x: rated_parts(learned, x, END, PAD))(responses)
    each = [rated_parts(learned, one, END, PAD).gold for one in responses.reshape(-1, 10)]
    assert found.gold.shape == (3, 2)
    np.testing.assert_allclose(found.gold.reshape(-1), each, atol=1e-5)


def test_an_environment_pays_the_rated_gold(monkeypatch):
    pytest.importorskip("tokenizers")
    monkeypatch.setattr(prompt_file, "read_rated_texts", lambda folder: invented())
    env = make("env", "text_prompts", gold="rated")
    state = reset_jax(env, jax.random.key(0), 3)
    texts = ["good film", "bad film", "the film is good"]
    padded = np.stack(
        [ended(env.codec.encode(text), env.sizes.response, env.codec.end, env.codec.pad) for text in texts]
    )
    keys = jax.random.split(jax.random.key(1), 3)
    _, out = jax.jit(jax.vmap(env.step))(keys, state, padded)
    learned = jax.tree.map(jnp.asarray, env._rated.model)
    expected = rated_parts(learned, jnp.asarray(padded), env.codec.end, env.codec.pad)
    np.testing.assert_allclose(out.env_reward, expected.gold, atol=1e-5)
    np.testing.assert_allclose(out.info["gold_sentiment"], expected.sentiment, atol=1e-5)
    assert out.env_reward[0] > out.env_reward[1]
    assert env.requirements.notes[0].startswith(
        "env.gold=rated agrees with people's ratings of held-out texts at these"
    )
    assert make("env", "text_prompts").info_keys == ()
