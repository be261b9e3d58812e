"""The verifier of arithmetic problems says what a slow one says, and its corpora are as they promise."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.core.text_steps import step_ends
from rl_rewards.core.types import EnvSpec
from rl_rewards.envs.text.chains.problems import KINDS, Kind, problems, results
from tests.envs.text import chain_reference
from tests.probes import make

ENV, HELD_OUT = make("env", "text_chains"), make("env", "text_chains", split="held_out")
WORDS = ENV.codec
L = 28
judge = jax.jit(ENV.judge)


def told(prompt: str, text: str, ends: bool = True):
    """Return the labels of the steps, whether the answer is right, and the true reward."""
    action = [*WORDS.encode(text), *([WORDS.end] if ends else [])]
    action = np.array(action + [WORDS.pad] * (L - len(action)), np.int32)
    found = judge(ENV.encode(prompt), action)
    labels = np.asarray(found.info["step_right"])
    return labels[labels >= 0].astype(int).tolist(), bool(found.info["success"]), float(found.reward)


CHAIN = "work out 3 + 4 - 2 + 5 ."


@pytest.mark.parametrize(
    ("prompt", "text", "labels", "answer_right"),
    [
        (CHAIN, "3 + 4 is 7 . 7 - 2 is 5 . 5 + 5 is 10 . so 10 .", [1, 1, 1, 1], True),
        (CHAIN, "3 + 4 is 8 . 8 - 2 is 6 . 6 + 5 is 11 . so 11 .", [0, 1, 1, 1], False),
        (CHAIN, "3 + 4 is 8 . 8 - 2 is 5 . 5 + 5 is 10 . so 10 .", [0, 0, 1, 1], True),  # two errors cancel
        (CHAIN, "3 + 4 is 7 . 7 - 2 is 5 . 5 + 5 is 12 . so 10 .", [1, 1, 0, 0], True),
        (CHAIN, "so 10 .", [0], True),  # without steps
        (CHAIN, "3 + 4 is 7 .", [0], False),  # it stops too early
        (CHAIN, "3 + 4 is 7 . 7 - 2 is", [1, 0], False),
        (CHAIN, "", [0], False),
        ("say at once 9 - 4 + 1 .", "so 6 .", [1], True),
        ("say at once 9 - 4 + 1 .", "so 5 .", [0], False),
        ("make 16 from 8 3 5 2 9 .", "8 + 5 is 13 . 13 + 3 is 16 . so 16 .", [1, 1, 1], True),
        ("make 16 from 8 3 5 2 9 .", "8 + 5 is 14 . 14 + 3 is 16 . so 16 .", [0, 0, 1], True),
        ("make 16 from 8 3 5 2 9 .", "8 + 5 is 13 . 13 + 2 is 15 . so 15 .", [1, 1, 0], False),  # misses the target
        ("make 16 from 8 3 5 2 9 .", "8 + 5 is 13 . 13 + 2 is 16 . so 16 .", [1, 0, 1], False),  # made to fit
        ("make 16 from 8 3 5 2 9 .", "8 + 4 is 12 . 12 + 4 is 16 . so 16 .", [0, 0, 1], False),  # 4 is not offered
        ("make 16 from 8 3 5 2 9 .", "5 + 3 is 8 . 8 + 3 is 11 . so 11 .", [1, 0, 0], False),  # 3 is used twice
    ],
)
def test_every_step_is_judged_by_what_is_before_it(prompt, text, labels, answer_right):
    assert told(prompt, text) == (labels, answer_right, float(answer_right and all(labels)))


def test_a_response_without_an_end_is_not_right():
    labels, answer_right, reward = told(CHAIN, ("3 + 4 is 7 . " * 5)[:-2].strip(), ends=False)
    assert labels[-1] == 0 and not answer_right and reward == 0.0


def test_the_verifier_says_what_the_slow_one_says():
    """On right, mixed and damaged responses; a fifth of the tokens of the last are others."""
    rng = np.random.default_rng(1)
    corpus = ENV.demonstrate(rng, 200, "mixed")
    damaged = corpus.action.copy()
    hit = (rng.random(damaged.shape) < 0.1) & (rng.random(len(damaged)) < 0.7)[:, None]
    damaged[hit] = rng.integers(1, WORDS.size, hit.sum())
    names = ["<pad>", "<end>", *WORDS.words]
    for action in (corpus.action, damaged, rng.permutation(corpus.action)):
        action = np.asarray(ENV.cleaned(jnp.asarray(action)))
        found = judge(corpus.obs, action)
        for row in range(len(action)):
            tokens = [names[token] for token in action[row]]
            words = tokens[: tokens.index("<end>") + 1] if "<end>" in tokens else tokens
            prompt = ENV.decode(corpus.obs[row])
            expected = chain_reference.judge(prompt, words, L)
            labels = np.asarray(found.info["step_right"][row])
            assert labels[labels >= 0].tolist() == expected.right, f"{prompt}: {words}"
            assert bool(found.info["success"][row]) == expected.answer_right, (prompt, words)
            sound = expected.answer_right and all(expected.right)
            assert float(found.reward[row]) == sound
            before = next((i for i, one in enumerate(expected.right) if not one), len(expected.right))
            assert int(found.info["chain_first_wrong"][row]) == before
            assert int(found.info["chain_steps_right"][row]) == sum(expected.right)


def test_a_text_that_is_no_problem_asks_nothing():
    for prompt in ("work out 3 + .", "make 16 from 8 3 5 .", "so so so", "work 3 + 4 - 2"):
        action = np.array([*WORDS.encode("so 7 ."), WORDS.end] + [WORDS.pad] * (L - 4), np.int32)
        found = judge(ENV.encode(prompt), action)
        assert float(found.info["kind"]) == Kind.NOTHING or prompt.startswith("work 3"), prompt
        assert not bool(found.info["success"]) or prompt.startswith("work 3")


def test_steps_end_at_full_stops_and_the_last_one_with_the_response():
    text = ENV.spec.text
    assert text is not None and text.step == WORDS.encode(".")[0]
    action = np.array([*WORDS.encode("3 + 4 is 7 . so 7 ."), WORDS.end, *WORDS.encode(". .")], np.int32)
    assert np.flatnonzero(step_ends(text, jnp.asarray(action))).tolist() == [5, 9]
    assert np.flatnonzero(step_ends(text, jnp.asarray(action[:9]))).tolist() == [5, 8]


def test_problems_have_solutions_and_splits_are_apart():
    for kind in KINDS:
        every = problems(kind)
        assert len(set(every)) == len(every)
        held_out = np.mean([one.held_out for one in every])
        assert 0.15 < held_out < 0.25
        for one in every[:300]:
            assert ENV.decode(ENV.encode(one.text)) == one.text
            assert kind == "search" or all(0 <= value <= 20 for value in results(one))
    texts = [{ENV.decode(row) for row in env.prompts[0]} for env in (ENV, HELD_OUT)]
    assert not texts[0] & texts[1]
    assert ENV.episodes.evaluated.split == "held_out"


def test_mixed_responses_have_right_answers_by_wrong_steps_and_good_ones_are_right():
    rng = np.random.default_rng(0)
    good, mixed = ENV.demonstrate(rng, 600, "good"), ENV.demonstrate(rng, 3000, "mixed")
    assert judge(good.obs[:600], good.action[:600]).reward.min() == 1.0
    found = jax.tree.map(np.asarray, judge(mixed.obs, mixed.action))
    for kind, sound, fooled in ((Kind.WORKED, 0.6, 0.2), (Kind.MENTAL, 0.75, 0.0), (Kind.SEARCH, 0.56, 0.045)):
        of_kind = found.info["kind"] == kind
        assert found.reward[of_kind].mean() == pytest.approx(sound, abs=0.05)
        by_wrong_steps = found.info["success"] & (found.reward == 0.0)
        assert by_wrong_steps[of_kind].mean() == pytest.approx(fooled, abs=0.03)
    only = make("env", "text_chains", kinds=["worked"], pays="answer")
    some = only.demonstrate(rng, 300, "mixed")
    paid = jax.jit(only.judge)(some.obs, some.action)
    assert set(np.unique(paid.info["kind"])) == {1.0}
    np.testing.assert_array_equal(paid.reward, np.asarray(paid.info["success"], np.float32))


def test_the_spec_keeps_the_token_that_ends_a_step(tmp_path):
    ENV.spec.save(tmp_path / "spec.json")
    assert EnvSpec.load(tmp_path / "spec.json") == ENV.spec
    assert make("env", "text").spec.text.step is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"kinds": ["worked", "puzzle"]}, "env.kinds"),
        ({"kinds": []}, "env.kinds"),
        ({"response_tokens": 20}, "env.response_tokens=20"),
    ],
)
def test_wrong_arguments_are_refused(changes, words):
    with pytest.raises(ConfigError, match=words):
        make("env", "text_chains", **changes)


def test_unknown_qualities_are_refused():
    with pytest.raises(ConfigError, match="choose mixed, good"):
        ENV.demonstrate(np.random.default_rng(0), 3, "plain")
