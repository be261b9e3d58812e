"""The study of judges against people's ratings, with invented texts and judges."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from rl_rewards.command_line.compose import composed
from rl_rewards.core.errors import ConfigError
from rl_rewards.core.requirements import Requirements
from rl_rewards.data.rated.texts import RatedTexts
from rl_rewards.labelers.at_once import AnswersAtOnce
from rl_rewards.labelers.base import Labeling, responses_of
from rl_rewards.lecture.language import judge_calibration
from rl_rewards.lecture.language.judge_calibration import JudgeCalibration, sampled
from rl_rewards.studies.claims import conclude
from tests.studies.outcomes import outcomes


def texts(n=3000) -> RatedTexts:
    """Return texts that say their own mean rating, which people give with some noise."""
    rng = np.random.default_rng(0)
    mean = rng.uniform(-4, 4, size=n).round(3)
    ratings = [(one + rng.normal(size=16)).tolist() for one in mean]
    return RatedTexts([f"{one}" for one in mean], ["movie" if i % 2 else "tweet" for i in range(n)], ratings)


@dataclass(frozen=True)
class Reads(Labeling):
    """A judge that reads the number, or only sees the position."""

    position: bool = False

    @property
    def requirements(self) -> Requirements:
        return Requirements(reads=("action",))

    def make(self, assignment: Any) -> AnswersAtOnce:
        def judge(segments):
            said = [float(one) for one in responses_of(segments, assignment)]
            return [1.0, 0.0] if self.position else said

        return AnswersAtOnce(assignment, judge)


def test_pairs_are_of_held_out_texts_and_people_mostly_agree():
    found = sampled(texts(), "movie", 60, seed=3)
    assert 58 <= len(found.rows) <= 60 and np.all(found.rows % 10 == 9) and np.all(found.rows % 2 == 1)
    assert len(np.unique(found.rows)) == found.rows.size, "every text is in one pair"
    assert 0.85 < found.people.mean() <= 1.0
    with pytest.raises(ConfigError, match="needs 1000 held-out texts of the kind tweet, and there are 0"):
        sampled(texts(), "tweet", 500, seed=3)


def test_judges_are_asked_and_judged(tmp_path, monkeypatch):
    monkeypatch.setattr(judge_calibration, "read_rated_texts", lambda folder: texts())
    monkeypatch.setattr(judge_calibration, "composed", lambda overrides: overrides[-1])
    monkeypatch.setattr(judge_calibration, "build_labeling", lambda one: Reads(position=one == "position"))
    judges = {"words": ["number"], "rating": ["number"], "comparing": ["position"]}
    study = JudgeCalibration(
        judges=judges, rated_texts="folder", kind="movie", pairs=100, folder=str(tmp_path / "asked")
    )
    findings = study.judge({}, range(3, 4))
    assert outcomes(findings.verdicts) == "SSRS", "both read the numbers, so that neither is better"
    assert findings.details["flips"] == {"words": 0.0, "rating": 0.0, "comparing": 1.0}
    study.draw({}, findings, tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 5000


def made(share: float, n: int = 400) -> list[float]:
    return [1.0] * round(share * n) + [0.0] * round((1 - share) * n)


@pytest.mark.parametrize(
    ("rating", "words", "flips", "expected"),
    [(0.7, 0.9, 1.0, "SSSS"), (0.5, 0.5, 0.5, "RRRR"), (0.56, 0.75, 0.9, "UUSR")],
)
def test_claims(rating, words, flips, expected):
    judges = {key: [] for key in ("words", "rating", "comparing")}
    study = JudgeCalibration(judges=judges, rated_texts="", kind="movie", pairs=400, folder="")
    right = {"words": made(words), "rating": made(rating), "comparing": made(0.5)}
    found = {"right": right, "people": made(0.93), "flips": {"comparing": flips}}
    assert outcomes(conclude(study.claims(found))) == expected


def test_a_judge_that_is_missing():
    with pytest.raises(ConfigError, match=r"study.judges has no rating, comparing"):
        JudgeCalibration(judges={"words": []}, rated_texts="", kind="movie", pairs=4, folder="")


def test_the_judges_of_the_configuration_are_valid():
    judges = composed(["experiment=lecture/language/judge_calibration"])["study"]["judges"]
    found = {name: composed([judge_calibration.ENV, *one])["labeler"] for name, one in judges.items()}
    assert found["comparing"]["mode"] == "pairwise" and "film" in found["rating"]["task"]
