"""Figures of stored results are drawn again from the stored numbers; those that need the arms' files stay."""

import json
import shutil

import matplotlib.image
import pytest

from scripts.redraw import main
from scripts.verdict_table import RESULTS

STORED, OF_ARMS = "oversight", "dpo"
"""A study whose figure shows stored numbers alone, and one whose figure shows curves of its arms."""


@pytest.fixture
def results(tmp_path):
    for study in (STORED, OF_ARMS):
        shutil.copy(RESULTS / f"{study}.json", tmp_path)
        (tmp_path / f"{study}.png").write_bytes(b"the figure of before")
    return tmp_path


def test_a_figure_of_stored_numbers_is_drawn_again_and_one_of_arms_stays(results, capsys):
    main([], results)
    assert capsys.readouterr().out.splitlines() == [
        f"{OF_ARMS}: its figure needs the files of its arms",
        f"{STORED}: drawn again",
    ]
    assert (results / f"{OF_ARMS}.png").read_bytes() == b"the figure of before"
    assert matplotlib.image.imread(results / f"{STORED}.png").std() > 0.1


def test_the_numbers_are_those_that_are_stored(results):
    main([STORED], results)
    before = (results / f"{STORED}.png").read_bytes()
    record = json.loads((results / f"{STORED}.json").read_text(encoding="utf-8"))
    record["details"] = json.loads(json.dumps(record["details"]).replace("0.", "0.0"))
    (results / f"{STORED}.json").write_text(json.dumps(record), encoding="utf-8")
    main([STORED], results)
    assert (results / f"{STORED}.png").read_bytes() != before


def test_only_the_named_study_is_drawn(results):
    main([OF_ARMS], results)
    assert (results / f"{STORED}.png").read_bytes() == b"the figure of before"


def test_a_name_without_a_stored_study_ends_in_one_sentence(results):
    with pytest.raises(SystemExit, match="overnight is not a stored study"):
        main(["overnight"], results)
