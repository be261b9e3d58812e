"""Written rules: what they count, and what is refused."""

import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.core.queries import Query
from rl_rewards.labelers.rules import WrittenRules
from tests.labelers.assignments import assignment
from tests.probes import make_rollout, make_spec

SPEC = make_spec(obs=1, action=1, info={"height": ()})
POLITE = {"principle": "Be polite.", "words": ["thank you", "please"], "weight": 1.0, "most": 2}
HIGH = {"principle": "Be high.", "of": "height", "weight": -0.5}
FAR = {"principle": "Go far.", "of": "path_length", "weight": 2.0}


def walked(heights, paths):
    """Return a query of segments of 5 steps with ``paths`` [Q, K] long, at ``heights`` [Q, K]."""
    steps = np.linspace(0.0, 1.0, 5)
    obs = (np.asarray(paths)[..., None] * steps)[..., None]
    info = {"height": np.repeat(np.asarray(heights, float)[..., None], 5, axis=-1)}
    segments = make_rollout(SPEC, 1, 1).replace(obs=obs, action=np.zeros_like(obs), info=info)
    flags = {name: np.zeros(obs.shape[:-1], bool) for name in ("terminated", "truncated", "valid", "is_demo")}
    segments = segments.replace(next_obs=obs, env_reward=np.zeros(obs.shape[:-1]), **flags)
    return Query(id=np.arange(len(obs)), segments=segments)


def scored(rules, query, **changes):
    labeler = WrittenRules(rules=rules).make(assignment(len(query.id), spec=SPEC, **changes))
    labeler.submit(query, 0)
    assert "not by a language model" in labeler.news()[0] and not labeler.news()
    return labeler.collect(0).scores


def test_the_score_is_the_weighted_sum_of_the_values():
    query = walked([[1.0, 0.0]], [[3.0, 2.0]])
    np.testing.assert_allclose(scored({"high": HIGH, "far": FAR}, query), [[-0.5 * 5 + 6.0, 4.0]])
    assert WrittenRules(rules={"high": HIGH}).requirements.reads == ("obs", "action", "info.height")


def test_words_are_counted_whole_and_up_to_a_limit():
    said = {0: "Pleased. Thank  you", 1: "PLEASE, thank you; please please", 2: "Please!"}
    query = walked([[0.0, 0.0, 0.0]], [[0.0, 1.0, 2.0]])
    found = scored({"polite": POLITE}, query, clips=3, passage=lambda one: ("?", said[round(float(one.obs[-1, 0]))]))
    np.testing.assert_array_equal(found, [[0.0, 2.0, 1.0]])


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({}, "labeler.rules is empty"),
        ({"a": 3}, "labeler.rules.a=3 must be a mapping"),
        ({"a": HIGH | {"wieght": 1.0}}, "labeler.rules.a has wieght; a rule has most, of, principle, weight, words"),
        ({"a": HIGH | {"principle": ""}}, "labeler.rules.a.principle must say in words"),
        ({"a": HIGH | {"weight": "much"}}, "labeler.rules.a.weight=much must be a number"),
        ({"a": {"principle": "p", "of": "height"}}, "labeler.rules.a has no weight"),
        ({"a": HIGH | {"words": ["x"]}}, "needs either of=FEATURE or words="),
        ({"a": POLITE | {"words": []}}, "needs either of=FEATURE or words="),
        ({"a": POLITE | {"words": ["x", 3]}}, "must be a list of words"),
        ({"a": HIGH | {"of": "colour"}}, "of=colour is not a feature of test's segments; choose from path_length"),
        ({"a": POLITE}, "counts words, and test has no texts"),
    ],
)
def test_refusals(rules, message):
    with pytest.raises(ConfigError, match=message):
        WrittenRules(rules=rules).make(assignment(1, spec=SPEC))


def test_rules_do_not_say_whether_the_task_is_done():
    with pytest.raises(ConfigError, match="asks whether the task is done"):
        WrittenRules(rules={"high": HIGH}).make(assignment(1, spec=SPEC, clips=1, question="success"))
