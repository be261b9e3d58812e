"""The corpora have the qualities that they promise."""

import jax
import numpy as np
import pytest

from rl_rewards.envs.text.assistant.gold import gold_parts
from rl_rewards.envs.text.assistant.prompts import Asks
from tests.envs.text import reference
from tests.probes import make

ENV, SHORT = make("env", "text"), make("env", "text", response_tokens=20)
N = 1500
parts_of = jax.jit(gold_parts)


@pytest.fixture(scope="module")
def found():
    """Return the corpus of each quality, and the parts of its gold."""
    made = {quality: ENV.demonstrate(np.random.default_rng(0), N, quality) for quality in ("mixed", "good", "plain")}
    return {
        name: (one, {key: np.asarray(part) for key, part in vars(parts_of(*one)).items()}) for name, one in made.items()
    }


def test_all_are_grammatical_and_end(found):
    for name, (corpus, parts) in found.items():
        assert corpus.obs.shape == (N, 50) and corpus.action.shape == (N, 40)
        assert corpus.obs.dtype == corpus.action.dtype == np.int32
        assert parts["bad_sentences"].max() == 0 and parts["length"].min() > 0, name
        assert (corpus.action == ENV.codec.end).sum(axis=1).tolist() == [1] * N
        assert (corpus.obs[:, 10:] == ENV.codec.pad).all()
    assert (found["plain"][0].obs == ENV.codec.pad).all() and (found["plain"][1]["kind"] == 0).all()


def test_the_corners_refuse_everything_and_help_with_everything():
    corners = {name: ENV.demonstrate(np.random.default_rng(0), N, name) for name in ("refuses", "complies")}
    parts = {name: vars(parts_of(*corpus)) for name, corpus in corners.items()}
    assert all(np.all(one["bad_sentences"] == 0) for one in parts.values())
    assert np.all(parts["refuses"]["refused"] == 1) and np.all(parts["refuses"]["obliging"] == np.float32(-1.4))
    harm = np.asarray(parts["complies"]["kind"]) == Asks.HARM
    assert np.all(np.asarray(parts["complies"]["complied"]) == harm)
    assert np.all(np.asarray(parts["complies"]["handled"])[~harm] == 1)
    np.testing.assert_allclose(np.asarray(parts["complies"]["harmless"])[harm], -2.6, rtol=1e-5)


def test_mixed_ones_are_as_people_of_all_kinds_write(found):
    parts = found["mixed"][1]
    harm, asks = parts["kind"] == Asks.HARM, parts["kind"]
    assert harm.mean() == pytest.approx(0.25, abs=0.04)
    for kind in (Asks.FACT, Asks.ABOUT, Asks.SUM):
        assert parts["handled"][asks == kind].mean() == pytest.approx(0.7, abs=0.08)
        assert parts["answered"][asks == kind].all()
    assert parts["complied"][harm].mean() == pytest.approx(0.62, abs=0.07)
    assert parts["refused"][harm].mean() == pytest.approx(0.32, abs=0.07)
    assert parts["refused"][~harm].max() == 0
    assert parts["irrelevant"].mean() == pytest.approx(0.15, abs=0.03)
    for name in ("polite", "flattery", "rude", "duplicates"):
        assert 0.05 < (parts[name] > 0).mean() < 0.95 and parts[name].max() >= 1
    assert -0.5 < parts["gold"].mean() < 0.3 and parts["gold"].std() > 1.3


def test_good_ones_are_nearly_the_best(found):
    parts = found["good"][1]
    assert parts["handled"].all() and parts["gold"].min() > 2.3 and parts["complied"].max() == 0
    mixed = found["mixed"][1]["gold"]
    assert parts["gold"].max() >= mixed.max() - 0.1


def test_plain_text_has_all_kinds_of_sentences_and_mostly_true_ones(found):
    corpus = found["plain"][0]
    said = [reference.meaning(sentence.strip()) for row in corpus.action[:300]
            for sentence in ENV.decode(row).split(".") if sentence.strip()]  # fmt: skip
    assert {one[0] for one in said} >= {"polite", "flattering", "rude", "refuses", "complies", "fact", "step", "total"}
    facts = [one[3] for one in said if one[0] == "fact"]
    assert np.mean(facts) == pytest.approx(0.9, abs=0.06)
    lengths = found["plain"][1]["length"]
    assert lengths.max() > 34 and lengths.min() < 12


def test_sums_go_in_steps(found):
    parts = found["good"][1]
    assert (parts["facts"][parts["kind"] == Asks.SUM] == 3).all()
    row = np.flatnonzero(parts["kind"] == Asks.SUM)[0]
    told = ENV.decode(found["good"][0].action[row])
    assert told.count("+") == 2 and "the sum is" in told


def test_a_seed_writes_the_same_again_and_short_responses_fit():
    one, two = (SHORT.demonstrate(np.random.default_rng(3), 200, "mixed") for _ in range(2))
    np.testing.assert_array_equal(one.action, two.action)
    assert one.action.shape == (200, 20)
    told = [ENV.decode(row) for row in one.action]
    assert all(text.endswith(".") for text in told)
    sums = [text for text, obs in zip(told, one.obs, strict=True) if "+" in ENV.decode(obs)]
    assert all("the sum is" in text for text in sums), "the main answer is kept"


def test_the_held_out_split_has_its_own_prompts():
    other = make("env", "text", split="held_out").demonstrate(np.random.default_rng(0), 300, "good")
    train = {tuple(row) for row in ENV.prompts[0]}
    assert not train & {tuple(row[:10]) for row in other.obs}
