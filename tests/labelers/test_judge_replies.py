"""The parsing of a judge's replies, and of texts that are not answers."""

import json

import pytest

from rl_rewards.labelers.judge.parse import Reply, read, reply_of
from rl_rewards.labelers.judge.prompts import DIGITS, LETTERS, YES_NO
from tests.labelers.judge_replies import CASES, FAR, NEAR

OPTIONS = {"letters": LETTERS, "digits": DIGITS, "yes_no": YES_NO}


@pytest.mark.parametrize("case", CASES, ids=[f"{case.options}: {case.what}" for case in CASES])
def test_a_reply_is_read_rightly(case):
    found = read(reply_of(case.body), OPTIONS[case.options])
    assert found == (case.right and {option: float(option == case.right) for option in OPTIONS[case.options]})


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"error": {"message": "context length exceeded", "code": 400}}, (400, "context length exceeded")),
        ({"error": "no such thing"}, (None, "no such thing")),
        ({"choices": [{"error": {"message": "upstream is gone", "code": 502}}]}, (502, "upstream is gone")),
        ({"detail": "too long"}, (None, "too long")),
    ],
)
def test_an_error_under_status_200_is_no_answer(body, error):
    reply = reply_of(json.dumps(body))
    assert reply.error == error and read(reply, LETTERS) is None


def test_log_probabilities_of_a_hidden_thought_do_not_count():
    thought = [("A", {"A": NEAR, "B": FAR}), (" or", {}), (" B", {" B": NEAR, " A": FAR})]
    assert read(Reply("A", 1, thought), LETTERS) == {"A": 1.0, "B": 0.0}, "these tokens do not spell the reply"
    shown = [*thought, ("</think>", {}), ("\n\n", {}), ("A", {"A": -0.5, "B": -0.9}), ("<|im_end|>", {})]
    found = read(Reply("A", 1, shown), LETTERS)
    assert found is not None and found["A"] == pytest.approx(0.5987, abs=1e-3), "the last tokens spell it"
    assert read(Reply("A or B</think>\n\nA", 1, shown), LETTERS) == found
