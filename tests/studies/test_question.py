"""Every study of the lecture says in its file what it asks, in sentences that fit on its page."""

import re

import pytest

from rl_rewards.command_line.choices import CONFIGS
from rl_rewards.studies.question import question_of


def test_two_sentences_without_markup():
    assert question_of("rl_rewards.lecture.games.curriculum") == (
        "Does self-play make a curriculum: do Alice's goals get harder as Bob gets better, and never too hard to "
        "learn? This is the lecture's claim for asymmetric self-play."
    )
    assert "``" not in question_of("rl_rewards.lecture.classifiers.fixed_classifier")
    assert question_of("rl_rewards.no_such_file") == ""


@pytest.mark.parametrize(
    "path", sorted((CONFIGS / "experiment" / "lecture").rglob("[!_]*.yaml")), ids=lambda one: one.stem
)
def test_every_study_asks_something(path):
    for module in re.findall(r"_target_: (rl_rewards\.lecture\.[\w.]+)\.\w+", path.read_text(encoding="utf-8")):
        assert 40 < len(question_of(module)) < 450, module
