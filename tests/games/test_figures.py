"""The report of self-play shows the games beside the task; that of curiosity shows where training has been."""

import json

import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.reporting.evaluation_parts import TIMES
from rl_rewards.reporting.figures.coverage import coverage_figures
from rl_rewards.reporting.figures.games import distance_figure
from rl_rewards.reporting.figures.goals import _places, _spread, goals_figure
from rl_rewards.reporting.figures.training import training_figure
from rl_rewards.reporting.glossary import meaning
from rl_rewards.reporting.metric_names import of_source, split_part
from rl_rewards.reporting.page import write_report
from rl_rewards.reporting.run_files import read_run
from tests.reporting.conftest import blank_figures  # noqa: F401
from tests.reporting.fake_play import GAMES, SIDE, add_games, add_visits
from tests.reporting.fake_run import write_fake_run

pytestmark = pytest.mark.usefixtures("blank_figures")


@pytest.fixture
def plain_run(tmp_path):
    return write_fake_run(tmp_path / "run", rounds=12, classifier=False, video=False)


def _text(run_dir) -> str:
    return write_report(run_dir).read_text(encoding="utf-8")


@pytest.mark.drawn
def test_page_of_games(plain_run):
    text = _text(add_games(plain_run))
    for words in (
        "The players&#39; rewards beside the true outcome",
        "The goals that Alice sets",
        "How far Bob gets",
        "The games over training",
        "1,200 games and 0 task episodes",
        "Alice earns the same",  # with form=time
        "reward.target_fraction=0",
        " of Alice&#39;s goals.",
        "reward/goal_distance",
        "objects in the world that Alice changed",
    ):
        assert words in text, words
    # Evaluations report the task's own reward as the learned reward: there is nothing to compare it with.
    for words in ("Learned reward beside the true outcome", "Episodes of the last evaluation", "Rank correlation"):
        assert words not in text, words


def test_page_of_games_of_several_seeds(plain_run):
    text = _text(add_games(plain_run, seeds=2))
    assert "The players&#39; rewards beside the true outcome, all seeds" in text
    assert "over 2 seeds; Bob reaches" in text
    assert "The goals that Alice sets" in text and "How far Bob gets" in text
    assert "Alice&#39;s return" in text and "learned reward, final states" not in text


def test_seeds_have_games_of_their_own(plain_run):
    run = read_run(add_games(plain_run, seeds=3))
    assert run.games is not None and run.games.t_alice.shape == (3, 4 * GAMES)  # evaluations after 1, 5, 10, 12 rounds
    first, last = run.of_seed(0).games, run.of_seed(2).games
    assert first is not None and last is not None and first.place is not None
    assert first.goal.shape == first.place.shape == (4 * GAMES, 2)
    assert first.env_steps.shape == first.distance.shape == (4 * GAMES,)
    assert sorted(set(first.env_steps.tolist())) == [8192 * rounds for rounds in (1, 5, 10, 12)]
    assert not np.array_equal(first.distance, last.distance)


@pytest.mark.parametrize(("places", "columns"), [(2, 2), (1, 1), (0, 1)])
def test_goals_lie_where_the_world_has_room(plain_run, places, columns):
    run = read_run(add_games(plain_run, places=places))
    assert run.games is not None
    assert _places(run.games)[0].shape == (4 * GAMES, columns)
    drawing = goals_figure(run)
    assert drawing is not None and "Alice stopped at once" in drawing.caption
    assert ("over training" in drawing.caption) == (columns == 1)


def test_goals_of_an_alice_who_always_stops_are_not_drawn(plain_run):
    run = read_run(add_games(plain_run, collapsed=True))
    assert goals_figure(run) is None
    assert distance_figure(run) is not None


def test_marks_on_cells_are_spread_and_stay_nearest_to_their_cell():
    places = np.random.default_rng(0).integers(0, 5, (500, 2)) + 0.5
    moved = _spread(places)
    assert np.unique(moved).size > 500
    np.testing.assert_array_equal(np.floor(moved), np.floor(places))
    free = np.random.default_rng(0).normal(size=(500, 2))
    np.testing.assert_array_equal(_spread(free), free)


def test_games_that_miss_an_array_are_refused_in_one_sentence(plain_run):
    add_games(plain_run)
    file = sorted((plain_run / "evaluations").glob("*.npz"))[0]
    with np.load(file) as stored:
        arrays = {name: stored[name] for name in stored.files if name != "game_goal"}
    np.savez(file, **arrays)
    with pytest.raises(ConfigError, match=r"games in .* cannot be read by this version"):
        read_run(plain_run)


def test_no_games_no_visits(plain_run):
    run = read_run(plain_run)
    assert run.games is None and not run.visits and not run.is_game
    assert goals_figure(run) is None and distance_figure(run) is None and coverage_figures(run) == []


@pytest.mark.parametrize(("prefix", "cells"), [("", SIDE**2), ("novelty", SIDE**2), ("", 21)])
def test_coverage_maps_and_bonuses(plain_run, prefix, cells):
    run = read_run(add_visits(plain_run, prefix=prefix, cells=cells))
    assert [one.counts.size for one in run.visits] == [cells] * TIMES
    assert run.visits[0].coverage < 0.2 and run.visits[-1].coverage == 1.0
    maps, courses = coverage_figures(run)
    assert len(maps.pictures) == TIMES and "100% of the cells" in maps.pictures[-1].alt
    assert ("form a row" in maps.caption) == (cells == 21)
    assert len(courses.pictures) == 2  # coverage, and both bonuses in one
    drawn = training_figure(run)
    assert drawn is not None
    assert not any("coverage" in picture.alt or "bonus_" in picture.alt for picture in drawn.pictures)


def test_coverage_without_a_television(plain_run):
    _, courses = coverage_figures(read_run(add_visits(plain_run, television=False)))
    assert courses.title == "Coverage" and len(courses.pictures) == 1 and "television" not in courses.caption


def test_visits_of_seeds(plain_run):
    file = sorted(add_visits(plain_run).glob("evaluations/*.npz"))[-1]
    with np.load(file) as stored:
        arrays = dict(stored)
    np.savez(file, **arrays | {"visits": np.stack([arrays["visits"], 0 * arrays["visits"]])})
    last = read_run(plain_run).visits[-1]
    assert (last.of_seed(0).coverage, last.of_seed(1).coverage) == (1.0, 0.0)


@pytest.mark.drawn
def test_page_of_curiosity(plain_run):
    text = _text(add_visits(plain_run, prefix="novelty"))
    for words in ("Where training has been", "Coverage and the bonus for static", "reward/novelty/coverage"):
        assert words in text, words


def test_parts_of_a_mixture():
    assert split_part("reward/novelty/coverage") == ("novelty", "reward/coverage")
    assert split_part("eval/novelty_visits") == ("novelty", "eval/visits")
    assert split_part("eval/gail_prob_demos") == ("gail", "eval/prob_demos")
    for plain in ("reward/coverage", "eval/prob_demos", "eval/reward_demos", "eval/visits", "eval/success"):
        assert split_part(plain) == ("", plain)
    rows = [{"reward/b/coverage": 0.1, "reward/a/coverage": 0.2, "reward/c/coverage": None}]
    assert of_source(rows, "coverage") == {"a": "reward/a/coverage", "b": "reward/b/coverage"}


def test_metrics_of_parts_and_players_have_entries(plain_run):
    assert (
        meaning("reward/novelty/coverage") == f"{meaning('reward/coverage')} Measured for the mixture's part novelty."
    )
    assert meaning("eval/novelty_visits") and meaning("agent/bob_entropy") and not meaning("reward/novelty/unheard_of")
    add_visits(add_games(plain_run))
    rows = [json.loads(line) for line in (plain_run / "metrics.jsonl").read_text().splitlines()]
    unknown = {key for row in rows for key in row if meaning(key) is None}
    assert unknown == {"agent/a_metric_of_tomorrow"}
