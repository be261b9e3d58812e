"""The study of a real model that revises by a constitution, with an invented model and an invented judge."""

import json
from dataclasses import dataclass
from typing import Any

import pytest

from rl_rewards.command_line.compose import composed
from rl_rewards.core.errors import ConfigError, TrainingFailed
from rl_rewards.core.requirements import Requirements
from rl_rewards.labelers.at_once import AnswersAtOnce
from rl_rewards.labelers.base import Labeling, responses_of
from rl_rewards.lecture.language import real_constitution
from rl_rewards.lecture.language.real_constitution import TRANSCRIPTS, RealConstitution, Transcript, _ask
from rl_rewards.studies.claims import conclude
from tests.studies.outcomes import outcomes

PRINCIPLES = {"kind": {"critique": "What is unkind?", "revision": "Be kind."}}


def study(**changes: Any) -> RealConstitution:
    settings = {
        "prompts": ["steal", "lie", "hurt"],
        "principles": PRINCIPLES,
        "refusals": ["i cannot", "i can't", "illegal"],
        "count": 3,
        "tokens": 10,
        "temperature": 0.0,
        "judge_labeler": ["labeler=oracle"],
        "folder": "",
    }
    return RealConstitution(**{**settings, **changes})


def echo(messages, seed):
    """Write the turn's number and the last request."""
    return f"{len(messages)} {messages[-1]['content']}"


def test_the_model_responds_criticises_and_revises_in_one_conversation(tmp_path):
    asked = []

    def write(messages, seed):
        asked.append([one["content"] for one in messages])
        return echo(messages, seed)

    found = study().transcripts(write, 0, tmp_path)
    assert found[0] == Transcript("steal", "kind", "1 steal", "3 What is unkind?", "5 Be kind.")
    assert asked[2] == ["steal", "1 steal", "What is unkind?", "3 What is unkind?", "Be kind."]
    assert [one.prompt for one in found] == ["steal", "lie", "hurt"]


def test_finished_transcripts_are_not_written_again(tmp_path):
    def fails(messages, seed):
        if messages[0]["content"] == "lie":
            raise TrainingFailed("the server is gone")
        return echo(messages, seed)

    with pytest.raises(TrainingFailed):
        study().transcripts(fails, 0, tmp_path)
    lines = (tmp_path / TRANSCRIPTS).read_text().splitlines()
    assert [json.loads(one)["prompt"] for one in lines] == ["steal"]
    found = study().transcripts(lambda messages, seed: f"again {echo(messages, seed)}", 0, tmp_path)
    assert [one.response for one in found] == ["1 steal", "again 1 lie", "again 1 hurt"]


@pytest.mark.parametrize(
    ("text", "refuses"),
    [
        ("I can\u2019t do that.", True),
        ("That is\nIllegal.", True),
        ("I cannot\n help", True),
        ("Legally, I can too.", False),
    ],
)
def test_refusals_are_phrases(text, refuses):
    assert study().refuses(text) is refuses


@dataclass(frozen=True)
class Longer(Labeling):
    """A judge that prefers the longer text."""

    @property
    def requirements(self) -> Requirements:
        return Requirements(reads=("obs", "action"))

    def make(self, assignment: Any) -> AnswersAtOnce:
        return AnswersAtOnce(assignment, lambda segments: [float(len(s)) for s in responses_of(segments, assignment)])


def test_the_judge_sees_the_response_first_and_its_revision(tmp_path):
    found = [Transcript("p", "kind", "short", "", "much longer"), Transcript("q", "kind", "much longer", "", "short")]
    scores = _ask(Longer(), found, tmp_path).scores
    assert (scores[0, 1] > scores[0, 0]) and (scores[1, 1] < scores[1, 0])


def test_judged_and_drawn_from_what_the_model_wrote(tmp_path, monkeypatch):
    def write(messages, seed):
        return "I cannot help with this, because somebody would be hurt" if len(messages) > 1 else "Here you are"

    monkeypatch.setattr(real_constitution, "_writer", lambda tokens, temperature: write)
    monkeypatch.setattr(real_constitution, "build_labeling", lambda config: Longer())
    one = study(folder=str(tmp_path), prompts=[f"prompt {i}" for i in range(40)], count=40)
    findings = one.judge({}, range(3, 4))
    assert outcomes(findings.verdicts) == "SSS" and findings.verdicts[0].unit == "prompts"
    assert findings.details["transcripts"][39]["prompt"] == "prompt 39", "everything is kept"
    one.draw({}, findings, tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 5000


@pytest.mark.parametrize(
    ("response", "revision", "preferred", "changed", "expected"),
    [(0.1, 0.6, 0.9, 0.9, "SSS"), (0.3, 0.3, 0.3, 0.1, "RRR"), (0.3, 0.4, 0.55, 0.5, "UUU")],
)
def test_claims(response, revision, preferred, changed, expected):
    def made(share, n=200):
        return [1.0] * round(share * n) + [0.0] * round((1 - share) * n)

    found = {
        "refuses": {"response": made(response), "revision": made(revision)},
        "preferred": [*made(preferred), float("nan")],
        "changed": made(changed),
    }
    assert outcomes(conclude(study().claims(found))) == expected


def test_settings_that_do_not_fit():
    with pytest.raises(ConfigError, match=r"study\.count=4 must be a number of prompts from 2 to 3"):
        study(count=4)
    with pytest.raises(ConfigError, match=r"study\.principles\.kind needs two requests, critique and revision"):
        study(principles={"kind": {"critique": "What?"}})


def test_the_configuration_has_different_prompts_and_a_judge_of_texts():
    config = composed(["experiment=lecture/language/real_constitution"])["study"]
    assert len(set(config["prompts"])) == len(config["prompts"]) == config["count"]
    labeler = composed([real_constitution.ENV, *config["judge_labeler"]])["labeler"]
    assert labeler["task"].startswith("Refuse what would harm somebody")
