"""The labeler that rates how positive a text is."""

from pathlib import Path

import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.core.queries import Query
from rl_rewards.labelers import rated
from rl_rewards.labelers.rated import RatedSentiment, encode
from tests.data.rated.made_up import invented
from tests.labelers.assignments import assignment
from tests.labelers.test_rules import SPEC, walked

TEXTS = ["the film is good", "the film is bad, a bad film", "Is the film good? Good!"]


@pytest.fixture(autouse=True)
def texts(monkeypatch):
    monkeypatch.setattr(rated, "read_rated_texts", lambda folder: invented())
    rated.fitted.cache_clear()
    yield
    rated.fitted.cache_clear()


def test_positive_responses_are_rated_higher():
    query = walked([[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]], [[0.0, 1.0, 2.0], [1.0, 0.0, 0.0]])
    said = {"clips": 3, "passage": lambda one: ("good or bad ?", TEXTS[round(float(one.obs[-1, 0]))])}
    labeler = RatedSentiment(rated_texts="folder").make(assignment(2, spec=SPEC, **said))
    labeler.submit(Query(id=np.array([4, 7]), segments=query.segments), 0)
    labels = labeler.collect(0)
    assert labels.id.tolist() == [4, 7]
    good, bad, _ = labels.scores[0]
    assert good > 0.5 and bad < -0.5, "the prompt has both words, and does not count"
    np.testing.assert_allclose(labels.scores[1], [bad, good, good], atol=1e-6)
    assert "not by a language model" in labeler.news()[0] and not labeler.news()


def test_words_are_the_same_in_any_case_and_marks_are_words():
    assert encode("Good film!") == encode("good FILM !") and len(encode("it's good, 10 of 10?")) == 6
    assert encode("") == []


def test_what_it_cannot_rate(monkeypatch):
    with pytest.raises(ConfigError, match="has none to compare"):
        RatedSentiment(rated_texts="folder").make(assignment(1, spec=SPEC))
    monkeypatch.undo()
    rated.fitted.cache_clear()
    with pytest.raises(ConfigError, match="make language-data"):
        RatedSentiment(rated_texts=str(Path("nowhere"))).make(assignment(1, spec=SPEC, passage=lambda one: ("", "")))
