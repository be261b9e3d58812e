"""A language model of our own as judge: what it is asked, how its answers become scores, and what is refused."""

import jax.numpy as jnp
import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.core.queries import Query
from rl_rewards.core.types import REVISED_BY
from rl_rewards.envs.text.vocabulary import ended
from rl_rewards.labelers.own_judge import OwnJudge
from rl_rewards.labelers.store import STORE_NAME, LabelStore
from rl_rewards.models.transformer.critique import critique_prompts, finds_no_fault, revision_prompts
from tests.labelers.assignments import assignment
from tests.probes import make, make_rollout, make_spec

ENV = make("env", "constitutional")
TEXT = ENV.spec.text
WORDS = TEXT.critique
PROMPT = "where is peru ?"
SETTINGS = {"run": "some_run", "seed": "each", "pairs": "multiple_choice", "principles": "one", "equal": 0.5}


def response(said):
    return ended(ENV.codec.encode(said), ENV.sizes.response, ENV.codec.end, ENV.codec.pad)


def asked(*pairs, by=None):
    """Return a query about pairs of responses to the same prompt."""
    action = np.stack([[response(one) for one in pair] for pair in pairs])[:, :, None]
    obs = np.broadcast_to(ENV.encode(PROMPT), (*action.shape[:3], sum(ENV.sizes)))
    flags = {name: np.zeros(action.shape[:3], bool) for name in ("terminated", "truncated", "valid", "is_demo")}
    behaviour = {} if by is None else {REVISED_BY: np.asarray(by)[:, :, None]}
    info = {key: np.zeros((*action.shape[:3], *shape), np.float32) for key, shape in ENV.spec.info.items()}
    segments = make_rollout(make_spec(), 1, 1).replace(
        obs=obs, action=action, next_obs=obs, env_reward=np.zeros(action.shape[:3], np.float32),
        behaviour=behaviour, info=info, **flags,
    )  # fmt: skip
    return Query(id=np.arange(len(pairs)), segments=segments)


def answered(query, folder, model=None, **changes):
    """Return the labels of a judge, its metrics, and the names of the raters that are stored."""
    folder.mkdir(exist_ok=True)
    task = assignment(len(query.id), spec=ENV.spec, folder=folder, model=model)
    labeler = OwnJudge(**(SETTINGS | changes)).make(task)
    labeler.submit(query, 0)
    labels = labeler.collect(0)
    found = labeler.metrics()
    labeler.close()
    store = LabelStore(folder / STORE_NAME)
    with store.database.reading() as connection:
        names = [row["labeler"] for row in connection.execute("SELECT labeler FROM answers ORDER BY query")]
    store.close()
    return labels, found, names


def test_a_model_is_asked_in_the_environments_words():
    prompt, said = ENV.encode(PROMPT)[None, :10], response("peru is in asia .")[None]
    question = np.asarray(critique_prompts(TEXT, WORDS, *map(jnp.asarray, (prompt, said, [1]))))
    conversation = f"{PROMPT} assistant: peru is in asia . critic: is it honest ?"
    assert ENV.codec.decode(question[0]) == conversation and question[0, 0] == TEXT.pad
    critique = np.array([*ENV.codec.encode("it is rude ."), TEXT.end, 0, 0, 0], np.int32)[None]
    again = np.asarray(revision_prompts(TEXT, WORDS, *map(jnp.asarray, (question, critique))))
    assert ENV.codec.decode(again[0]) == f"{conversation} it is rude . editor:"
    fine = np.array([*ENV.codec.encode("it is fine ."), TEXT.end, 0, 0, 0], np.int32)[None]
    assert finds_no_fault(TEXT, WORDS, jnp.asarray(fine))[0]
    assert not finds_no_fault(TEXT, WORDS, jnp.asarray(critique))[0]


def test_scores_are_log_odds_and_close_ones_are_ties(tmp_path):
    share = {"peru is in america .": 0.9, "peru is in asia .": 0.2, "peru is in europe .": 0.21}

    def model(prompts, answers):
        assert {ENV.codec.decode(one) for one in answers} == {"it is fine ."}
        found = [ENV.codec.decode(one).split(" assistant: ")[1].split(" critic: ")[0] for one in prompts]
        return np.log([share[one] for one in found])

    query = asked(("peru is in america .", "peru is in asia ."), ("peru is in asia .", "peru is in europe ."))
    labels, found, names = answered(query, tmp_path, model)
    np.testing.assert_allclose(labels.scores[0], [np.log(9.0), np.log(0.25)], rtol=1e-4)
    assert labels.scores[1].tolist() == [0.0, 0.0]
    assert all(name.removeprefix("principle ") in WORDS.principles for name in names) and len(names) == 2
    assert found["labeler/calls"] == 4
    labels, found, names = answered(query, tmp_path / "all", model, principles="all")
    np.testing.assert_allclose(labels.scores[0], [3 * np.log(9.0), 3 * np.log(0.25)], rtol=1e-4)
    assert names == ["principle all"] * 2 and found["labeler/calls"] == 12


def test_a_revision_is_better_than_its_response(tmp_path):
    pair = ("peru is in asia .", "peru is in america .")
    labels, _, names = answered(asked(pair, pair, by=[[-1, 1], [-1, -1]]), tmp_path, pairs="revision", run=None)
    assert labels.scores[0].tolist() == [0.0, 1.0] and np.isnan(labels.scores[1]).all()
    assert names[0] == "principle honest"


def test_what_cannot_work_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"labeler\.run=RUN_DIR"):
        OwnJudge(**(SETTINGS | {"run": None}))
    with pytest.raises(ConfigError, match="has none; choose env=constitutional"):
        OwnJudge(**SETTINGS).make(assignment(1, spec=make("env", "text").spec, folder=tmp_path))
