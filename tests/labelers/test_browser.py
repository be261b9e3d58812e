"""The labelling page in a real browser, used only with the keyboard."""

import contextlib
import itertools
import json
import re
import signal
import socket
import subprocess
import sys

import pytest

from rl_rewards.labelers.desk import Desk
from rl_rewards.labelers.instructions import Instructions
from rl_rewards.labelers.progress import progress
from tests.labelers import browser
from tests.labelers.made_up import RUN, ask, ask_texts, opened

browser.require("starlette", "websockets", "axe_core_python")

IDLE = "busy === '' && localStorage.getItem(KEPT) === null"
NUMBER = "question && question.number"


@contextlib.contextmanager
def served(run_dir, port=0):
    """Start a server; yield the address that it prints, and its process."""
    command = [sys.executable, "-m", "rl_rewards.label", str(run_dir), "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield re.search(r"http://\S+", process.stdout.readline())[0], process
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(20)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


def start(page, address):
    """Open the page, and leave the instructions, which are shown before the first question of a kind."""
    page.open(address)
    page.wait(NUMBER)
    page.wait("!introduced()")
    page.press("Enter")
    page.wait("introduced()")


def press_and_wait(page, key, said="Saved"):
    """Press the key of an answer, and wait until the server has it and the next question is shown."""
    before = page.read(NUMBER)
    page.press(key)
    page.wait(f"{IDLE} && (question === null || question.number !== {before} || '{said}' === 'Taken back')")
    page.wait(f"document.getElementById('saved').textContent === '{said}'")


def test_label_ten_pairs_undo_one_reload_and_finish(tmp_path):
    store = opened(tmp_path)
    ask(store, 12, frames=True, steps=20, side=64)
    store.set_budget(RUN, 0, 10)
    rows = [{"env_steps": 100 * i, "reward/heldout_accuracy": 0.5 + 0.04 * i} for i in range(9)]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with served(tmp_path) as (address, _), browser.browsing(tmp_path) as page:
        page.size(1280, 800)
        start(page, address)
        assert page.read("location.search") == "" and page.read("document.cookie") == ""
        drawn = "clips.length === 2 && clips.every((c) => c.frame >= 5)"
        page.wait(drawn)
        assert page.read("clips[0].frame === clips[1].frame"), "the two clips play together"
        assert "agrees with 82%" in page.read("document.querySelector('#model figcaption').textContent")
        sides = []
        for key in ("ArrowLeft", "ArrowRight", "ArrowUp", "ArrowLeft"):
            sides.append(page.read("clips.map((c) => c.sheet.media.slice(7))"))
            press_and_wait(page, key)
        page.picture(tmp_path / "desktop.png")
        press_and_wait(page, "ArrowDown", "Skipped")
        held = page.read(NUMBER)
        page.open(address)
        page.wait(f"{NUMBER} === {held}")  # after a reload, the question is the same
        press_and_wait(page, "ArrowRight")
        page.press("z")
        page.wait(f"{IDLE} && {NUMBER} === {held}")
        assert progress(store.database).labels == 4
        for width in (1280, 768, 390):
            page.assert_fits(width, 844)
        page.wait(drawn)
        page.picture(tmp_path / "phone.png")
        assert page.read("clips[0].figure.getBoundingClientRect().right < clips[1].figure.getBoundingClientRect().left")
        while progress(store.database).labels < 10:
            press_and_wait(page, "ArrowLeft")
        page.wait("document.body.dataset.status === 'budget'")
        assert "Finished" in page.read("document.getElementById('words').textContent")
        page.picture(tmp_path / "finished.png")
        assert not page.problems
    absorbed = store.absorb(RUN, 0, 0, 99)
    assert sorted(answer.query_id for answer in absorbed) == list(range(11))
    assert sum(answer.scores is None for answer in absorbed) == 1
    clips_of = {row["query_id"]: json.loads(row["clips"]) for row in _queries(store)}
    for answer, shown, better in zip(absorbed[:4], sides, (0, 1, None, 0), strict=True):
        wanted = (0.5, 0.5) if better is None else tuple(float(c == shown[better]) for c in clips_of[answer.query_id])
        assert answer.scores == wanted


def test_instructions_come_first_and_a_click_chooses_at_any_speed(tmp_path):
    store = opened(tmp_path)
    ask(store, 9, frames=True, steps=40, side=64)
    Instructions(task="Stay in the middle.", legend="A bar crosses the picture.", strength=True).save(tmp_path)
    text = "document.getElementById('{}').textContent"
    with served(tmp_path) as (address, _), browser.browsing(tmp_path) as page:
        page.size(1280, 900)
        page.open(address)
        page.wait(f"{NUMBER} && !introduced()")
        assert page.read(text.format("intro-task")) == "Stay in the middle."
        assert page.read(text.format("intro-legend")) == "A bar crosses the picture."
        assert page.read("document.activeElement.id") == "intro-title"
        assert page.read("document.querySelectorAll('#example canvas').length") == 2
        page.press("ArrowLeft")
        assert page.read(IDLE) and progress(store.database).labels == 0, "no key answers what is not shown yet"
        page.picture(tmp_path / "intro.png")
        for mode, width in (("light", 1280), ("light", 768), ("dark", 390)):
            page.colours(mode)
            page.assert_fits(width, 900)
            assert page.violations() == [], mode
        page.press("Enter")
        page.wait("introduced() && clips.every((c) => c.frame > 0)")
        assert page.read("document.getElementById('task').checkVisibility()"), "the task stays above the clips"
        assert page.read("getComputedStyle(document.body).backgroundColor") == "rgb(18, 21, 24)"
        page.picture(tmp_path / "dark_phone.png")
        assert page.violations() == [], "dark"
        page.colours("light")
        page.size(1280, 900)
        assert page.violations() == [], "light"
        page.press("<")
        assert page.read("playing.speed") == 0.5 and page.read("document.getElementById('speed').value") == "0.5"
        page.read("scrub(1.0)")
        page.wait("clips.every((c) => c.frame === Math.floor(c.sheet.frames_per_second))")
        page.press(".")
        page.wait("clips.every((c) => c.frame === Math.floor(c.sheet.frames_per_second) + 1)")
        page.read("document.getElementById('position').focus()")
        page.press("ArrowLeft")
        assert page.read(IDLE) and progress(store.database).labels == 0, "in the slider, arrow keys move it"
        page.read("document.activeElement.blur()")
        before = page.read(NUMBER)
        chosen = page.read("clips[1].sheet.media.slice(7)")
        page.read("clips[1].figure.click()")
        page.wait(f"{IDLE} && question.number !== {before}")
        slightly = page.read("clips[0].sheet.media.slice(7)")
        before = page.read(NUMBER)
        page.read("document.querySelector('[aria-keyshortcuts=\"Shift+ArrowLeft\"]').click()")
        page.wait(f"{IDLE} && question.number !== {before}")
        assert page.read("playing.speed") == 0.5, "the speed is kept"
        page.press("h")
        page.wait("!introduced()")
        page.open(address)
        page.wait(f"{NUMBER} && introduced()")  # the same instructions are not shown twice
        page.size(390, 844)
        assert page.read("document.documentElement.scrollWidth") <= 390
        assert not page.problems
    first, second = store.absorb(RUN, 0, 0, 9)
    clips_of = {row["query_id"]: json.loads(row["clips"]) for row in _queries(store)}
    assert first.scores == tuple(float(clip == chosen) for clip in clips_of[first.query_id])
    assert second.scores == tuple(0.75 if clip == slightly else 0.25 for clip in clips_of[second.query_id])


def _queries(store):
    with store.database.reading() as connection:
        return connection.execute("SELECT query_id, clips FROM queries WHERE repeat_of IS NULL").fetchall()


def test_an_answer_given_while_the_server_is_gone_is_kept_and_sent_once(tmp_path):
    store, port = opened(tmp_path), free_port()
    ask(store, 3, frames=True)
    with browser.browsing(tmp_path) as page:
        with served(tmp_path, port) as (address, process):
            start(page, address)
            process.kill()
            process.wait()
        page.press("ArrowLeft")
        page.wait("document.getElementById('saved').textContent === 'Not saved yet'")
        assert "server is not running" in page.read("document.getElementById('notice').textContent")
        assert progress(store.database).labels == 0
        with served(tmp_path, port):
            page.wait("document.getElementById('saved').textContent === 'Saved'")
            page.wait("document.getElementById('notice').hidden")
            assert progress(store.database).labels == 1


def test_a_ranking_and_a_rating_by_keys(tmp_path):
    store = opened(tmp_path)
    ask(store, 1, kind="ranking", clips=4, frames=True, steps=20, side=64)
    ask(store, 1, first=1, kind="rating", clips=1, frames=True, round=1)
    with served(tmp_path) as (address, _), browser.browsing(tmp_path) as page:
        page.size(1280, 800)
        start(page, address)
        page.wait("clips.length === 4")
        shown = page.read("clips.map((c) => c.sheet.media.slice(7))")
        page.press("Enter")  # does nothing yet
        assert page.read("drop(2, 0), order.join()") == "2,0,1,3"
        for key in "1234":
            page.press(key)  # a second press removes each again
        for key in "314":
            page.press(key)
        page.press("4")  # a second press removes it again
        page.press("4")
        assert page.read("document.getElementById('save-order').disabled")
        page.press("2")
        boxes = page.read("clips.map((c) => c.figure.getBoundingClientRect()).map((b) => [b.left, b.right])")
        assert all(left[1] <= right[0] for left, right in itertools.pairwise(sorted(boxes))), "no clip covers another"
        page.picture(tmp_path / "ranking.png")
        press_and_wait(page, "Enter")
        page.wait("question && question.kind === 'rating' && !introduced()")
        page.press("Enter")
        page.picture(tmp_path / "rating.png")
        press_and_wait(page, "5")
        page.wait("document.body.dataset.status === 'waiting'")
        page.picture(tmp_path / "waiting.png")
        assert not page.problems
    ranking, rating = store.absorb(RUN, 0, 0, 9)
    clips = json.loads(_queries(store)[0]["clips"])
    best_first = sorted(clips, key=lambda clip: -ranking.scores[clips.index(clip)])
    assert best_first == [shown[place] for place in (2, 0, 3, 1)] and rating.scores == (5.0,)


def test_yes_or_no_by_keys(tmp_path):
    store = opened(tmp_path)
    ask(store, 5, kind="yes_no", clips=1, frames=True, steps=1, side=160)
    said = [("y", (1.0,)), ("n", (0.0,)), ("ArrowRight", (1.0,)), ("ArrowLeft", (0.0,))]
    with served(tmp_path) as (address, _), browser.browsing(tmp_path) as page:
        page.size(1280, 800)
        start(page, address)
        page.wait("question && clips.length === 1 && clips[0].frame === 0")
        assert page.read("document.getElementById('words').textContent") == "Is the task done in this picture?"
        assert page.read("document.getElementById('playing').hidden"), "a single picture does not play"
        page.picture(tmp_path / "yes_no.png")
        for key, _ in said:
            press_and_wait(page, key)
        page.size(390, 844)
        page.wait("clips[0].frame === 0")
        page.picture(tmp_path / "yes_no_phone.png")
        assert page.read("document.documentElement.scrollWidth") <= 390
        press_and_wait(page, "ArrowDown", "Skipped")
        page.wait("document.body.dataset.status === 'waiting'")
        assert not page.problems
    assert [answer.scores for answer in store.absorb(RUN, 0, 0, 9)] == [*(scores for _, scores in said), None]


HOSTILE = "<script>document.title='owned'</script><img src=x onerror=alert(1)> & <b>bold</b>"
ARABIC = "مرحبا، كيف يمكنني المساعدة؟"


def test_a_correction_and_a_description_by_keys_and_clicks(tmp_path):
    store = opened(tmp_path)
    ask(store, 2, kind="correction", clips=3, frames=True, steps=6, side=64)
    ask(store, 3, first=2, kind="description", clips=5, frames=True, steps=6, side=64)
    Instructions(features=("x", "y")).save(tmp_path)
    with served(tmp_path) as (address, _), browser.browsing(tmp_path) as page:
        page.size(1280, 800)
        start(page, address)
        page.picture(tmp_path / "correction.png")
        names = "[...document.querySelectorAll('#clips figcaption')].map((one) => one.textContent).join()"
        assert page.read(names) == "As it was,Instead 1,Instead 2"
        assert page.violations() == []
        press_and_wait(page, "3")
        before = page.read(NUMBER)
        page.read("document.querySelectorAll('#clips .clip')[0].click()")
        page.wait(f"{IDLE} && question.number !== {before}")
        page.press("Enter")  # the instructions of another kind
        page.wait("introduced()")
        page.picture(tmp_path / "description.png")
        buttons = "[...document.querySelectorAll('#choices button')].map((one) => one.textContent).join()"
        assert "x higher 2,x lower 3,y higher 4,y lower 5,It makes no difference" in page.read(buttons)
        assert page.read("clips.length") == 1
        page.assert_fits(390, 800)
        for key in ("5", "ArrowUp", "1"):
            press_and_wait(page, key)
        assert page.problems == []
    given = [one.scores for one in store.absorb(RUN, 0, 0, 10)]
    assert given == [(0, 0, 1), (1, 0, 0), (0, 0, 0, 0, 1), (1, 1, 1, 1, 1), (1, 0, 0, 0, 0)]


def test_texts_are_read_as_texts_with_the_same_keys(tmp_path):
    """The prompt is above two responses, side by side or, on a phone, one above the other."""
    store, long = opened(tmp_path), "Say hello.\n\tThen say goodbye."
    ask_texts(store, 0, long, HOSTILE, f"First line.\n\n{'w' * 400}")
    ask_texts(store, 1, f"{ARABIC}\nIn English?", ARABIC, "line\n" * 300)
    with served(tmp_path) as (address, _), browser.browsing(tmp_path) as page:
        page.size(1200, 800)
        start(page, address)
        prompt = "document.getElementById('prompt')"
        assert page.read(f"{prompt}.textContent") == long and page.read(f"{prompt}.innerText") == long
        shown = page.read("[...document.querySelectorAll('.clip .text')].map((one) => one.textContent)")
        assert sorted(shown) == sorted([HOSTILE, f"First line.\n\n{'w' * 400}"])
        assert page.read("document.querySelectorAll('#work img, #work script, #work b').length") == 0
        assert page.read("document.title") == "Label"
        assert page.read("document.getElementById('playing').hidden"), "a text does not play"
        names = "[...document.querySelectorAll('#choices button')].map((one) => one.textContent.slice(0, 11))"
        assert page.read(names)[:2] == ["A is better", "B is better"]
        boxes = "[...document.querySelectorAll('.clip')].map((one) => one.getBoundingClientRect())"
        left, right = page.read(f"{boxes}.map((box) => [box.left, box.right, box.top])")
        assert left[1] <= right[0] and left[2] == right[2]
        page.read(f"getSelection().selectAllChildren({prompt})")
        assert page.read("getSelection().toString()") == long
        assert page.read("document.documentElement.scrollWidth") <= 1200
        page.picture(tmp_path / "texts.png")
        page.size(390, 844)
        first, second = page.read(f"{boxes}.map((box) => [box.left, box.bottom, box.top, box.right])")
        assert first[1] <= second[2] and first[0] == second[0] and first[3] <= 390
        assert page.read("document.documentElement.scrollWidth") <= 390
        page.picture(tmp_path / "texts_phone.png")
        better = page.read("document.querySelector('.clip .text').textContent")
        press_and_wait(page, "ArrowLeft")
        page.wait("clips.length === 2")
        page.picture(tmp_path / "texts_arabic_phone.png")
        page.size(1200, 800)
        page.picture(tmp_path / "texts_arabic.png")
        starts = "[...document.querySelectorAll('.clip .text')].map((one) => getComputedStyle(one).direction)"
        assert (
            sorted(page.read(starts)) == ["ltr", "rtl"] and page.read(f"getComputedStyle({prompt}).direction") == "rtl"
        )
        longest = "[...document.querySelectorAll('.text')].find((one) => one.textContent.length > 1000)"
        page.read(f"{longest}.focus()")
        held = page.read(NUMBER)
        page.press("ArrowDown")
        page.wait(f"{longest}.scrollTop > 0")  # a text that is longer than its box is read with the same keys
        assert page.read(NUMBER) == held and page.read(IDLE)
        page.read("document.activeElement.blur()")
        press_and_wait(page, "ArrowDown", "Skipped")
        page.wait("document.body.dataset.status === 'waiting'")
        assert not page.problems
    first, second = store.absorb(RUN, 0, 0, 9)
    assert second.scores is None
    assert first.scores == ((1.0, 0.0) if better == HOSTILE else (0.0, 1.0))


@pytest.mark.long
def test_texts_are_ranked_by_keys_and_their_names(tmp_path):
    store = opened(tmp_path)
    ask_texts(store, 0, "Count to three.", *(f"Answer number {i}" for i in range(4)))
    with served(tmp_path) as (address, _), browser.browsing(tmp_path) as page:
        page.size(1200, 800)
        start(page, address)
        page.wait("clips.length === 4")
        shown = page.read("[...document.querySelectorAll('.clip .text')].map((one) => one.textContent)")
        assert "Rank the texts" in page.read("document.getElementById('words').textContent")
        assert page.read("clips.every((clip) => !clip.figure.draggable && clip.caption.draggable)")
        page.read("clips[2].figure.querySelector('.text').click()")
        assert page.read("order.length") == 0, "a click into a text selects words"
        page.read("clips[2].caption.click()")
        for key in "14":
            page.press(key)
        page.picture(tmp_path / "ranked_texts.png")
        page.press("2")
        page.size(390, 844)
        assert page.read("document.documentElement.scrollWidth") <= 390
        page.picture(tmp_path / "ranked_texts_phone.png")
        press_and_wait(page, "Enter")
        page.wait("document.body.dataset.status === 'waiting'")
        assert not page.problems
    (ranking,) = store.absorb(RUN, 0, 0, 9)
    best_first = sorted(range(4), key=lambda clip: -ranking.scores[clip])
    assert [f"Answer number {i}" for i in best_first] == [shown[place] for place in (2, 0, 3, 1)]


def test_a_question_that_was_given_to_someone_else_and_a_new_name(tmp_path):
    store = opened(tmp_path)
    ask(store, 3, frames=True)
    desk = Desk(store.database)
    with served(tmp_path) as (address, _), browser.browsing(tmp_path) as page:
        start(page, address)
        first = page.read(NUMBER)
        desk.release("person")  # as if the lease had expired
        assert desk.lease("bob").number == first
        desk.answer("bob", first, [1, 0], token="bob-was-faster")
        page.press("ArrowLeft")
        page.wait(f"{IDLE} && document.body.dataset.status === 'name'")  # bob has a name, so this person needs one
        assert page.read("document.activeElement.id") == "name"
        assert page.read("document.getElementById('saved').textContent") == "Not saved"
        assert "no longer reserved for you" in page.read("document.getElementById('notice').textContent")
        page.read("document.getElementById('name').focus(), document.getElementById('name').value = ''")
        for key in "lz":  # while typing a name, z takes no answer back
            page.press(key)
        page.press("Enter")
        page.wait(f"{IDLE} && who === 'lz' && question")
        press_and_wait(page, "ArrowRight")
        assert page.read("document.getElementById('notice').hidden")
    with store.database.reading() as connection:
        labelers = [row[0] for row in connection.execute("SELECT labeler FROM answers ORDER BY number")]
    assert labelers == ["bob", "lz"]
