"""All pages but that for labelling in a real browser: widths, light and dark, accessibility, use."""

import json
from pathlib import Path

import pytest

from rl_rewards.lecture.page import of_runs, write_lecture
from rl_rewards.report import main
from rl_rewards.reporting.page import write_report
from tests.labelers import browser
from tests.reporting.fake_checks import write_audit, write_judges_page
from tests.reporting.fake_play import add_games
from tests.reporting.fake_run import write_fake_run
from tests.reporting.test_comparison import write_study

browser.require("websockets", "axe_core_python")

NAMES = ("run", "games", "comparison", "study", "lecture", "audit", "judges")
MODES = ("light", "dark")
WIDTHS = (390, 768, 1280)
PLANTED = '<img src="data:,"><p style="color: #ddd; background: #eee">Words that are hard to read.</p>'
LABELS = "[...document.querySelectorAll('.end[data-points] b')].map((one) => one.textContent)"
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010804000000b51c0c020000000b4944415478da63fccff0bf1e000502027f"
    "98a9a4320000000049454e44ae426082"
)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    with browser.browsing(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> dict[str, Path]:
    """Return the paths of pages by name."""
    folder = tmp_path_factory.mktemp("pages")
    sweep = folder / "sweep"
    for name, seed, more in (("a", 0, {}), ("b", 1, {}), ("c", 0, {"learning_rate": 0.001, "exploited": True})):
        write_fake_run(sweep / name, rounds=6, seed=seed, video=False, **more)
    (sweep / "refused").mkdir()
    (sweep / "refused" / "FAILED.json").write_text(json.dumps({"error": "No such thing."}))
    study = write_study(folder / "study")
    (study / "verdict.png").write_bytes(PIXEL)
    assert main([str(sweep)]) == main([str(study)]) == 0
    write_lecture(folder / "lecture.html", of_runs(folder, "small"), "small")
    return {
        "run": write_report(write_fake_run(folder / "run", rounds=12, exploited=True)),
        "games": write_report(add_games(write_fake_run(folder / "games", rounds=12, classifier=False, video=False))),
        "comparison": sweep / "report.html",
        "study": study / "report.html",
        "lecture": folder / "lecture.html",
        "audit": write_audit(folder / "audit.html"),
        "judges": write_judges_page(folder / "judges"),
    }


def opened(page, path: Path) -> None:
    page.problems.clear()
    page.open(path.as_uri())
    page.wait(f"location.href === '{path.as_uri()}' && document.readyState === 'complete'")


@pytest.mark.parametrize("name", NAMES)
def test_pages_fit_and_have_no_serious_violation(page, pages, name):
    look_at(page, pages[name], checked={("light", 390), ("dark", 1280)})


def test_planted_violations_are_found(page, pages):
    look_at(page, pages["study"], checked=set())
    page.read(f"document.querySelector('main').insertAdjacentHTML('afterbegin', '{PLANTED}')")
    found = page.violations()
    assert sorted(one.partition(":")[0] for one in found) == ["color-contrast", "image-alt"]


@pytest.mark.long
@pytest.mark.parametrize("name", NAMES)
def test_no_serious_violation_at_any_width_in_either_mode(page, pages, name):
    look_at(page, pages[name], checked={(mode, width) for mode in MODES for width in WIDTHS})


def look_at(page, path: Path, checked: set[tuple[str, int]]) -> None:
    """Assert that a page fits at every width in both modes, and that axe-core finds nothing where it is ``checked``."""
    for mode in MODES:
        page.colours(mode)
        opened(page, path)
        for width in WIDTHS:
            page.assert_fits(width, 900)
            if (mode, width) in checked:
                assert page.violations() == [], (mode, width)
        dark = page.read("getComputedStyle(document.body).backgroundColor") == "rgb(18, 21, 24)"
        assert dark == (mode == "dark")
    assert not page.problems


def test_the_pointer_and_the_slider_show_one_step_in_all_charts(page, pages):
    page.size(1280, 900)
    opened(page, pages["run"])
    last = page.read(LABELS)
    assert len(last) > 10
    page.read("document.querySelector('.plot').scrollIntoView({block: 'center'})")
    left, top, width = page.read(
        "(() => { const box = document.querySelector('.plot').getBoundingClientRect(); "
        "return [box.left, box.top + 20, box.width]; })()"
    )
    page.command("Input.dispatchMouseEvent", type="mouseMoved", x=left + 1, y=top)
    first = page.read(LABELS)
    points = page.read("[...document.querySelectorAll('.end[data-points]')].map((one) => one.dataset.points)")
    for shown, kept in zip(first, points, strict=True):
        assert float(shown.replace(",", "")) == pytest.approx(json.loads(kept)[1][0], rel=0.01, abs=1e-6)
    assert first != last
    cursors = "[...document.querySelectorAll('.chart[data-unit] .cursor')].map((one) => one.hidden)"
    assert not any(page.read(cursors))
    page.command("Input.dispatchMouseEvent", type="mouseMoved", x=5, y=450)
    assert page.read(LABELS) == last and all(page.read(cursors))
    page.read("document.querySelector('nav input').focus()")
    for _ in range(3):
        page.press("ArrowLeft")
    said = page.read("document.querySelector('.chart[data-unit] .across b').textContent")
    assert said.startswith(" at 9") and len(said) > 5  # of 98,304 steps
    assert not page.problems and width > 300


def test_the_table_of_arms_is_sorted_and_left_out_runs_are_folded(page, pages):
    page.size(1280, 900)
    opened(page, pages["comparison"])
    names = "[...document.querySelectorAll('table.arms tbody th')].map((one) => one.textContent)"
    assert page.read(names) == ["learning_rate=0.0003", "learning_rate=0.001"]
    success = "document.querySelectorAll('table.arms th button')[2]"
    page.read(f"{success}.click(); {success}.click()")
    assert page.read(f"{success}.parentElement.getAttribute('aria-sort')") == "ascending"
    assert page.read(names) == ["learning_rate=0.001", "learning_rate=0.0003"]
    assert "No such thing." not in page.read("document.body.innerText")
    page.read("document.querySelector('details summary').click()")
    assert "No such thing." in page.read("document.body.innerText")


def test_without_scripts_the_page_is_complete(page, pages):
    page.command("Emulation.setScriptExecutionDisabled", value=True)
    try:
        opened(page, pages["comparison"])
        assert page.read("document.querySelectorAll('.plot path.line').length") > 4
        assert all(page.read("[...document.querySelectorAll('.end b')].map((one) => one.textContent)"))
        assert page.read("document.querySelectorAll('nav input, th button').length") == 0
    finally:
        page.command("Emulation.setScriptExecutionDisabled", value=False)
