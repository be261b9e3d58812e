"""An episode of text is one step; prompts are drawn by their shares; what people and judges read is the text itself."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.core.types import EnvSpec
from rl_rewards.envs.text.assistant import world
from rl_rewards.envs.text.assistant.prompts import SHARES, Asks, Prompt, prompt_meanings, prompt_recogniser, prompts
from rl_rewards.envs.text.base import TextState
from rl_rewards.loop.behaviours import Recorder, uniform
from tests.envs.text import reference
from tests.probes import make, make_rollout

ENV, HELD_OUT = make("env", "text"), make("env", "text", split="held_out")
WORDS = ENV.codec
FRANCE = "what is the capital of france ?"
PARIS = "the capital of france is paris ."


def response(text: str) -> np.ndarray:
    found = [*WORDS.encode(text), WORDS.end]
    return np.array(found + [WORDS.pad] * (40 - len(found)), np.int32)


@pytest.fixture(scope="module")
def recording():
    """Return two steps in each of 300 environments, with uniformly random tokens."""
    return Recorder(ENV, uniform(ENV.spec), 300, 2)(None, 0)


def test_an_episode_is_one_step(recording):
    assert recording.obs.shape == (2, 300, 50) and recording.action.shape == (2, 300, 40)
    assert recording.obs.dtype == recording.action.dtype == recording.next_obs.dtype == np.int32
    assert recording.terminated.all() and not recording.truncated.any()
    assert set(recording.info) == set(ENV.spec.info) and recording.info["success"].dtype == bool
    np.testing.assert_array_equal(recording.next_obs[..., :10], recording.obs[..., :10])
    np.testing.assert_array_equal(recording.info["scene"], recording.next_obs.astype(np.float32))
    assert (recording.obs[..., 10:] == WORDS.pad).all()
    assert np.mean(recording.obs[0] != recording.obs[1]) > 0.05, "the next episode has another prompt"
    assert set(np.unique(recording.action)) == set(range(WORDS.size)), "all tokens are drawn, and no others"


def test_random_tokens_are_paid_what_the_slow_parser_says(recording):
    names = ["<pad>", "<end>", *WORDS.words]
    for row in range(20):
        prompt, action = ENV.decode(recording.obs[0, row, :10]), recording.action[0, row]
        expected = reference.gold(prompt, [names[token] for token in action])
        assert recording.env_reward[0, row] == pytest.approx(expected, abs=1e-4)
    told = ENV.judge(recording.obs, ENV.cleaned(recording.action)).reward
    np.testing.assert_allclose(told, recording.env_reward, atol=1e-5)


def test_what_follows_the_end_does_not_count():
    tail = response(PARIS)
    tail[9:12] = 5, WORDS.end, 7
    wild = tail.astype(np.float32) + 0.25
    wild[15] = 1e6
    for action in (tail, wild):
        state = TextState(tokens=jnp.asarray(ENV.encode(FRANCE)))
        after, out = ENV.step(jax.random.key(0), state, jnp.asarray(action))
        np.testing.assert_array_equal(out.next_obs[10:], response(PARIS))
        np.testing.assert_array_equal(ENV.observe(after), out.next_obs)
        assert out.info["success"] and out.info["gold_length"] == 7.0
        assert float(out.env_reward) == pytest.approx(4.0 * np.tanh(1.3 / 4.0), abs=1e-5)
    clipped = ENV.cleaned(jnp.full(40, 10_000, jnp.int32))
    np.testing.assert_array_equal(clipped, np.full(40, WORDS.size - 1))


def asked(env, n: int = 4000) -> Prompt:
    """Return what the prompts of ``n`` resets ask."""
    tokens = jax.jit(jax.vmap(env.reset))(jax.random.split(jax.random.key(1), n)).tokens
    number = np.asarray(jax.jit(lambda x: prompt_recogniser().match(x, WORDS.pad))(tokens[:, :10]))
    assert (number >= 0).all(), "every prompt is one of the world"
    return Prompt(*prompt_meanings()[number].T)


def test_prompts_are_drawn_by_their_shares_and_splits_are_apart():
    train, held_out = asked(ENV), asked(HELD_OUT)
    for found, is_out in ((train, 0), (held_out, 1)):
        shares = np.bincount(found.kind, minlength=5)[1:] / 4000
        np.testing.assert_allclose(shares, [SHARES[kind] for kind in list(Asks)[1:]], atol=0.03)
        assert set(found.held_out) == {is_out}
    pairs = [set(zip(found.verb, found.object, strict=True)) - {(-1, -1)} for found in (train, held_out)]
    assert not pairs[0] & pairs[1] and (len(pairs[0]), len(pairs[1])) == (48, 16)


def test_what_is_held_out_is_new_in_its_combination_only():
    """Every word of a held-out prompt, every fact and every way of asking also occurs in train."""
    split = [[(text, one) for text, one in prompts().items() if one.held_out == out] for out in (0, 1)]
    train, held_out = split
    words = [{word for text, _ in texts for word in text.split()} for texts in split]
    assert words[1] <= words[0] and len(train) + len(held_out) == len(prompts())
    facts = {(one.thing, one.attribute) for _, one in train if one.kind == Asks.FACT}
    assert len(facts) == 48
    for kind in list(Asks)[1:]:
        counts = [sum(one.kind == kind for _, one in texts) for texts in split]
        assert 0.15 < counts[1] / sum(counts) < 0.3, kind
    sums = [{(one.a, one.b, one.c) for _, one in texts if one.kind == Asks.SUM} for texts in split]
    assert not sums[0] & sums[1], "no sum of held-out prompts is asked in train in another way"


def test_the_spec_says_how_text_is_held(tmp_path):
    text = ENV.spec.text
    assert text is not None
    assert (text.vocabulary, text.prompt_tokens, text.response_tokens) == (WORDS.size, 10, 40)
    assert (text.pad, text.end) == (WORDS.pad, WORDS.end) == (0, 1) and len(text.tokenizer) == 64
    ENV.spec.save(tmp_path / "spec.json")
    assert EnvSpec.load(tmp_path / "spec.json") == ENV.spec
    assert ENV.spec.max_episode_steps == 1 and not ENV.spec.ends_early and ENV.spec.has_success


def test_texts_are_read_as_they_are():
    obs = ENV.encode(FRANCE)
    np.testing.assert_array_equal(obs[:3], 0)  # seven words, left-padded to ten
    assert ENV.decode(obs) == FRANCE
    action = response(PARIS)
    steps = make_rollout(ENV.spec, 1, 2, obs=np.stack([[obs, obs]]), action=np.stack([[action, action]]))
    steps = jax.tree.map(lambda x: x[0], steps)
    told = ENV.describe(steps)
    assert told == "\n\n".join([f"Prompt: {FRANCE}\nResponse: {PARIS}"] * 2)
    scene = np.concatenate([obs[:10], response(PARIS)]).astype(np.float32)
    picture, empty = ENV.draw(scene), ENV.draw(obs.astype(np.float32))
    assert picture.shape == empty.shape and picture.dtype == np.uint8 and picture.shape[2] == 3
    assert picture.shape[0] % 2 == picture.shape[1] % 2 == 0, "videos need even sides"
    assert (picture < 128).sum() > (empty < 128).sum() > 0
    long = np.concatenate([obs[:10], np.full(40, WORDS.encode("nairobi")[0])])
    assert ENV.draw(long).shape == picture.shape


def test_numbers_come_first_and_sums_fit():
    assert WORDS.words[:27] == tuple(str(n) for n in range(1, 28))
    assert 180 <= WORDS.size <= 220
    assert len(world.THINGS) == 24


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: ENV.encode("what is a yak ?"), r"The word 'yak' \(number 4 of 'what is a yak \?'\) is not one of"),
        (lambda: ENV.encode("the " * 11), r"The prompt '.*' has 11 tokens, but text has room for 10\."),
        (lambda: ENV.encode(" "), r"The prompt ' ' has 0 tokens"),
        (lambda: ENV.demonstrate(np.random.default_rng(0), 1, "best"), r"'best' is not a quality of text's texts; ch"),
        (lambda: ENV.demonstrate(np.random.default_rng(0), 0, "good"), r"0 texts cannot be written"),
        (lambda: make("env", "text", split="test"), r"env\.split=test is not valid; it must be train or held_out\."),
        (lambda: make("env", "text", response_tokens=19), r"env\.response_tokens=19 must be at least 20"),
    ],
)
def test_bad_input_is_one_sentence(call, sentence):
    with pytest.raises(ConfigError, match=sentence) as error:
        call()
    assert str(error.value).rstrip(".").count(". ") == 0
