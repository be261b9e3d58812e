"""Writes the pages of an audit and of judges from made-up rewards and answers; their numbers are computed."""

from pathlib import Path

import numpy as np

from rl_rewards.auditing.coverage import Coverage
from rl_rewards.auditing.effects import Intervention, Population, correlation, effects
from rl_rewards.auditing.whole import Audit
from rl_rewards.auditing.words import page
from rl_rewards.labelers.calibration import LENGTH, calibrate
from rl_rewards.labelers.judge_statistics import differences
from rl_rewards.reporting.judges import Ceiling, Compared, Judges, write_judges
from rl_rewards.reporting.page import write_page

N = 200
RUN = "outputs/2026-11-21/12-00-00_reward=text_preferences_env=constitutional_with_a_long_name@best"
JUDGES = {"gpt-4.1-mini": 0.0, "HuggingFaceTB/SmolLM2-1.7B-Instruct (2)": 1.5, "rules": -1.0}
"""How much each judge likes long responses."""


def write_audit(path: Path) -> Path:
    """Write the audit of a reward that pays for praise, and return ``path``."""
    rng = np.random.default_rng(0)
    true, length, praise = rng.normal(size=(3, N))
    reward = true + 0.8 * praise + 0.2 * length
    features = {LENGTH: length, "praise": praise, "share_of_different_words": rng.normal(size=N)}
    population, rows = Population(reward, features, true, np.arange(N)), np.arange(N)
    made = [
        Intervention(
            name, what, rows, paid + 0.3 * rng.normal(size=N),
            {one: np.full(N, float(one == feature)) for one in features}, np.zeros(N),
        )
        for name, what, feature, paid in (
            ("praise", "begins with a sentence that praises the question", "praise", 0.8),
            ("word: supercalifragilistic", "has the word at a random place", LENGTH, 0.0),
            ("length", "says the same in twice as many words", LENGTH, -0.2),
        )
    ]  # fmt: skip
    found, fit = effects(population, made)
    audit = Audit(
        RUN, 3, "constitutional", f"{N} responses of the policy", 0.1, found, ["numbers (4 pairs)"], fit,
        correlation(population), {"EPIC": 0.42, "DARD": 0.38},
        Coverage(1200, 0.31, 0.02, "sequences of 3 tokens", 3, 0.81, 0.93, (0.7, 0.6, 0.8), None),
    )  # fmt: skip
    write_page(path, "audit.html.j2", page(audit))
    return path


def write_judges_page(folder: Path) -> Path:
    """Write the comparison of three judges with people, and return the page's path."""
    rng = np.random.default_rng(0)
    value, length = rng.normal(size=(2, N, 2))
    features = {LENGTH: length, "share_of_different_words": rng.normal(size=(N, 2))}
    scores = {name: value + likes * length + 0.5 * rng.normal(size=(N, 2)) for name, likes in JUDGES.items()}
    compared = []
    for name, answers in scores.items():
        sure = 1.0 / (1.0 + np.exp(answers[:, 1] - answers[:, 0]))
        found = calibrate(answers, value, features, sure, flip_rate=0.12)
        compared.append(Compared(name, "people", found, ["40 pairs are few for small differences."], answers))
    right = {name: ((one[:, 0] > one[:, 1]) == (value[:, 0] > value[:, 1])) * 1.0 for name, one in scores.items()}
    notes = ["The answers of people are of two runs, outputs/2026-11-21/12-00-00 and outputs/2026-11-22/12-00-00."]
    units = dict.fromkeys(features, "words")
    return write_judges(Judges(compared, differences(right), Ceiling(174, N, "repeats"), units, notes, folder))
