"""Replies of a model become rewards of the whitelisted language, or are refused with a reason that it is told."""

import pytest

from rl_rewards.core.errors import ConfigError, TrainingFailed
from rl_rewards.labelers.judge.parse import Reply
from rl_rewards.loop.build import build_env, build_labeling
from rl_rewards.reward_search.fitness import measure_of
from rl_rewards.reward_search.prompts import features, first_question, language
from rl_rewards.reward_search.writer import Writer, read_candidate
from rl_rewards.rewards.written.grammar import FUNCTIONS
from tests.labelers.judge_server import Fault, JudgeServer, completion, last
from tests.runs import composed

GOOD = "I pay for nearness.\n```\nnear = -norm(next_obs)\ncalm = -0.1 * norm(action)\n```"


@pytest.fixture(scope="module")
def spec():
    return build_env(composed("env=point")).spec


def model_at(server, *overrides):
    at = (f"labeler.base_url={server.base_url}", "labeler.key_variable=null", "labeler.model=m")
    return build_labeling(composed("env=point", "labeler=ai_judge", *at, "labeler.backoff_seconds=0.01", *overrides))


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        (GOOD, "near = -norm(next_obs)\ncalm = -0.1 * norm(action)\n"),
        ("```reward\nnear = -norm(next_obs)", "near = -norm(next_obs)\n"),
        ("near = -norm(next_obs)", "near = -norm(next_obs)\n"),
        ("<think>x = 1</think>\n```\n-norm(next_obs)\n```", "expression = -norm(next_obs)\n"),
        ("```\nx = 1 - obs[0]\n```\nNo, better:\n```\ny = obs[x]\n```", "y = obs[x]\n"),
    ],
)
def test_the_last_block_of_a_reply_is_the_reward(spec, reply, text):
    found = read_candidate(Reply(reply, None, []), spec)
    assert (found.text, found.error) == (text, None)


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        ("```\nimport os\nos.system('ls')\n```", "not a character of this language"),
        ("```\nnear = __import__('os').getcwd()\n```", "near"),
        ("```\nnear = -norm(next_obs\n```", "near"),
        ("```\nnear = -norm(next_obs[7])\n```", "7"),
        ("```\nthere = info.success\n```", "info.success is the task's own measure"),
        ("```\neach = 1.0\n```", "same number at every step"),
        ("", "empty"),
        ("near = " + "1 + " * 20_000 + "1", "characters"),
    ],
)
def test_other_replies_are_refused_with_the_reason(spec, reply, why):
    found = read_candidate(Reply(reply, None, []), spec)
    assert found.text is None and why in (found.error or "")


def test_a_reply_that_was_cut_off_is_refused(spec):
    found = read_candidate(Reply(GOOD, None, [], finish="length"), spec)
    assert found.text is None and "cut off" in (found.error or "")


def test_the_model_is_told_the_language_and_what_it_may_read(spec):
    system, user = first_question("Come to rest.", spec)
    assert all(name in language() for name in FUNCTIONS)
    assert language() in system["content"]
    assert "Come to rest." in user["content"] and "[0] or [x]: x" in user["content"]
    assert "info.success" not in features(spec) and "info.scene" not in features(spec)


def test_an_invalid_reply_is_mended_once_and_nothing_is_asked_twice(spec, tmp_path):
    def answer(body):
        return GOOD if "not a valid reward" in last(body) else "```\nimport os\n```"

    with JudgeServer(answer) as server:
        for _ in range(2):
            writer = Writer(model_at(server), spec, tmp_path)
            found = [writer.write(first_question("Come to rest.", spec), sample) for sample in (0, 1)]
            writer.close()
            assert [one.error for one in found] == [None, None]
        assert len(server.asked) == 4, "two samples, each asked and mended; the second time from the file"
        assert [body["seed"] for body in server.asked] == [0, 0, 1, 1]
        assert "logprobs" not in server.asked[0]


def test_a_model_that_cannot_be_reached_ends_the_search_in_one_sentence(spec, tmp_path):
    with JudgeServer(lambda body: GOOD, [Fault(401, completion("no"))]) as server:
        writer = Writer(model_at(server), spec, tmp_path)
        with pytest.raises(TrainingFailed, match=r"The model m at http.* refuses .*the same command goes on\.$"):
            writer.write(first_question("Come to rest.", spec), 0)
        writer.close()


def test_a_limit_on_requests_is_kept(spec, tmp_path):
    with JudgeServer(lambda body: GOOD) as server:
        writer = Writer(model_at(server, "labeler.cap_calls=1"), spec, tmp_path)
        writer.write(first_question("Come to rest.", spec), 0)
        with pytest.raises(TrainingFailed, match=r"labeler.cap_calls=1 is reached"):
            writer.write(first_question("Come to rest.", spec), 1)
        writer.close()


def test_without_a_measure_of_the_task_nothing_can_be_searched():
    spec = build_env(composed("env=gymnasium", "env.id=CartPole-v1")).spec
    assert measure_of(spec) == "true_return"
    from dataclasses import replace

    with pytest.raises(ConfigError, match="measures its task"):
        measure_of(replace(spec, has_true_reward=False))
