"""Unreliable judges: they refuse one prompt or all of them, or decide by the order of the clips."""

import json

import numpy as np
import pytest

from rl_rewards.core.errors import TrainingFailed
from rl_rewards.labelers.judge.journal import JOURNAL_NAME, read_totals
from tests.labelers.judge_server import Fault, JudgeServer, completion, last, prefers_more
from tests.labelers.test_ai_judge import answered, asking, judge_of, judged, settings

OPEN = {"key_variable": None}  # the endpoint needs no key
FOUR = [[3, 1], [0, 2], [7, 5], [4, 6]]


def error(sentence, **more):
    return json.dumps({"error": {"message": sentence, **more}})


def cut(body):
    """Return a reply that ends in the middle of a thought."""
    reply = json.loads(completion("<think>\nFirst A"))
    reply["choices"][0]["finish_reason"] = "length"
    return Fault(body=json.dumps(reply))


def stopped(folder, server, values, **changes):
    """Return the message with which training stops."""
    judge = judge_of(folder, settings(server, parallel=1, **OPEN, **changes))
    judge.submit(asking(values), 0)
    with pytest.raises(TrainingFailed) as raised:
        answered(judge)
    judge.close()
    return str(raised.value)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(400, error("The prompt triggered the content filter.", code="content_filter")),
        Fault(403, error("Your input was flagged by moderation.")),
        Fault(413, error("The prompt is too long.")),
        Fault(body=error("context length exceeded", code=400)),
        Fault(body=error("context length exceeded", code="context_length_exceeded")),
    ],
    ids=["filter", "moderation", "too long", "status 200", "status 200 and a word"],
)
def test_an_error_of_one_prompt_refuses_that_query_alone(tmp_path, fault):
    def answer(body):
        return fault if "worth 7.0" in last(body) else prefers_more(body)

    with JudgeServer(answer) as server:
        scores, metrics, news = judged(tmp_path, server, FOUR, **OPEN)
    assert np.isnan(scores[2]).all() and [scores[i] for i in (0, 1, 3)] == [[1, 0], [0, 1], [0, 1]]
    assert metrics["labeler/refused"] == 1 and not news
    ((reason, _),) = read_totals(tmp_path / JOURNAL_NAME)[0].reasons.items()
    assert json.loads(fault.body)["error"]["message"] in reason, "the reason has the endpoint's message"


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault(401, error("Incorrect API key.")), "refuses (HTTP 401: Incorrect API key.)"),
        (Fault(403, error("Your plan lacks this model.")), "refuses (HTTP 403: Your plan lacks this model.)"),
        (Fault(404, error("The model m does not exist.")), "refuses (HTTP 404: The model m does not exist.)"),
        (Fault(body=error("No such model.", code="model_not_found")), "error model_not_found: No such model."),
    ],
)
def test_an_error_of_the_configuration_stops_at_once_and_is_quoted(tmp_path, fault, words):
    with JudgeServer(lambda body: fault) as server:
        assert words in stopped(tmp_path, server, FOUR)
    assert len(server.asked) == 1


def test_an_error_under_status_200_that_may_pass_is_tried_again(tmp_path):
    with JudgeServer(
        prefers_more, [Fault(body=error("upstream", code=502)), Fault(body=error("slow", code="rate_limit"))]
    ) as server:
        scores, _, _ = judged(tmp_path, server, [[3, 1]], parallel=1, **OPEN)
    assert scores == {0: [1, 0]} and len(server.asked) == 4


@pytest.mark.parametrize("show", ["words", "frames"])
def test_an_empty_reply_is_asked_about_without_an_empty_turn(tmp_path, show):
    def answer(body):
        if any(not message["content"] for message in body["messages"]):
            return Fault(400, error("messages: text content blocks must be non-empty"))
        return "A" if "Do not leave the answer empty" in json.dumps(body["messages"][-1]) else ""

    with JudgeServer(answer) as server:
        scores, _, _ = judged(tmp_path, server, [[3, 1]], show=show, **OPEN)
    assert scores == {0: [0.5, 0.5]} and {len(body["messages"]) for body in server.asked} == {2}


def test_a_judge_that_answers_nothing_stops_the_run_and_names_the_key(tmp_path):
    with JudgeServer(cut) as server:
        said = stopped(tmp_path, server, FOUR)
    assert "answered none of the first 4 queries (4 times: " in said
    assert "finish_reason=length" in said and "Raise labeler.parameters.max_tokens" in said and "resume=" in said


def test_what_was_refused_before_the_first_answer_is_asked_again_once_it_is_mended(tmp_path):
    with JudgeServer(lambda body: Fault(400, error("temperature must be 1"))) as server:
        assert "HTTP 400: temperature must be 1" in stopped(tmp_path, server, FOUR)
    with JudgeServer(prefers_more) as server:
        scores, metrics, _ = judged(tmp_path, server, FOUR, **OPEN)
    assert scores[0] == [1, 0] and metrics["labeler/refused"] == 0


def test_a_single_first_query_that_is_refused_stops_nothing(tmp_path):
    with JudgeServer(cut) as server:
        judge = judge_of(tmp_path, settings(server, **OPEN))
        for query in range(4):
            judge.submit(asking([[query + 1, 0]], [query]), query)
            if query < 3:
                assert np.isnan(answered(judge, query).scores[0]).all()
        with pytest.raises(TrainingFailed, match="none of the first 4 queries"):
            answered(judge, 3)
        judge.close()


def test_a_judge_that_refuses_most_queries_is_told_of_once(tmp_path):
    def answer(body):
        return prefers_more(body) if "worth 7.0" in last(body) else cut(body)

    with JudgeServer(answer) as server:
        judge = judge_of(tmp_path, settings(server, **OPEN))
        judge.submit(asking(FOUR), 0)
        answered(judge)
        (told,) = judge.news()
        assert told.startswith("Warning: The judge of seed 0 has left 3 of 4 queries without an answer (3 times: ")
        assert "finish_reason=length" in told and "labeler.parameters.max_tokens" in told
        assert judge.news() == []
        judge.close()


def test_a_judge_that_goes_by_the_place_is_told_of(tmp_path):
    with JudgeServer(lambda body: "A") as server:
        _, _, news = judged(tmp_path, server, [[i, i + 1] for i in range(8)], **OPEN)
    assert len(news) == 1 and "contradicts itself on 8 of 8 pairs" in news[0]
    (tmp_path / "good").mkdir()
    with JudgeServer(prefers_more) as server:
        assert judged(tmp_path / "good", server, [[i, i + 1] for i in range(8)], **OPEN)[2] == []
