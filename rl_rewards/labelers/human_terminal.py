"""A person who judges in the terminal, where there is no browser.

Texts are printed; pictures of clips are in the run folder.
"""

import sys
import uuid
from dataclasses import dataclass

import jax
import numpy as np

from rl_rewards.core.checks import check_fields, require
from rl_rewards.core.errors import ConfigError
from rl_rewards.core.queries import Labels, Query
from rl_rewards.core.requirements import Requirements
from rl_rewards.labelers.base import Assignment, Labeling
from rl_rewards.labelers.desk import Desk
from rl_rewards.labelers.records import Conflict, Leased, changes, check_labeler
from rl_rewards.labelers.store import STORE_NAME, LabelStore
from rl_rewards.labelers.stored import WHAT_PEOPLE_SEE, StoredLabeler

FOLDER = "clips"
KEYS = "s skips, z takes back the last answer, q leaves the remaining questions for later"
JOINERS = "\n\u200c\u200d"  # harmless characters that str.isprintable excludes: some scripts need the joiners
HOW = {
    "pair": "1 or 2 for the better one, = for equal",
    "ranking": "the numbers from best to worst, such as 2 1 3",
    "rating": "a number, higher is better",
    "yes_no": "is the task done in this picture? y or n",
    "correction": "the number of what should have been done, 1 to leave it as it was, = if all are equally good",
    "description": "the number of what would make it better, 1 to leave it as it is, = if nothing matters",
}


@dataclass(frozen=True, kw_only=True)
class PersonAtTerminal(Labeling):
    """Keys and units: configs/labeler/human_terminal.yaml."""

    name: str

    def __post_init__(self) -> None:
        check_fields(self, "labeler")
        check_labeler(self.name)

    @property
    def requirements(self) -> Requirements:
        """Return the needs of a labeler that is never waited for, because ``collect`` itself asks the person."""
        return Requirements(
            reads=WHAT_PEOPLE_SEE, waits_for_answers=False, asks_people=True, at_terminal=True, describes=True
        )

    def make(self, assignment: Assignment) -> "Terminal":
        """Return the labeler of one seed.

        Raises:
            ConfigError: when standard input is not a terminal.
        """
        require(
            sys.stdin.isatty(),
            "labeler=human_terminal needs a terminal, but standard input is none; start the run in one.",
        )
        return Terminal(self.name, assignment)


class Terminal(StoredLabeler):
    """The person who labels for one seed."""

    def __init__(self, name: str, assignment: Assignment) -> None:
        store = LabelStore(assignment.folder / STORE_NAME)
        super().__init__(assignment, shows=True, store=store)
        self._name, self._desk = name, Desk(store.database, run=self.run)
        self._words: dict[int, list[str]] = {}  # query id -> its segments in words

    def submit(self, query: Query, round: int) -> None:
        super().submit(query, round)
        describe = self.assignment.describe
        if describe is None or self.assignment.passage is not None:
            return
        for row in np.flatnonzero(np.asarray(query.id) >= 0):
            one = [jax.tree.map(lambda x, at=(row, k): x[at], query.segments) for k in range(self.assignment.clips)]
            self._words[int(query.id[row])] = [describe(segment) for segment in one]

    def collect(self, round: int) -> Labels:
        """Ask until everything is answered or the person leaves; return the answers so far."""
        staying = True
        while staying and (leased := self._desk.lease(self._name)) is not None:
            self._show(leased)
            staying = self._ask(leased)
        return super().collect(round)

    def _show(self, leased: Leased) -> None:
        print(f"\nQuestion {leased.query_id}")
        passages = self._desk.passages([leased.clips[clip] for clip in leased.shown])
        texts = [passage for passage in passages if passage is not None]
        if len(texts) == len(passages):
            print("\n".join(_in_lines(texts)))
        else:
            self._show_pictures(leased)
        print(f"{HOW[leased.kind]}; {KEYS}.", flush=True)

    def _show_pictures(self, leased: Leased) -> None:
        folder = self.assignment.folder / FOLDER
        folder.mkdir(exist_ok=True)
        described = leased.kind == "description"
        words = self._words.get(leased.query_id)
        for place, clip in enumerate(leased.shown[:1] if described else leased.shown):
            file = folder / f"{place + 1}.png"
            file.write_bytes(self._desk.media(leased.clips[clip]) or b"")
            print(f"  {place + 1}: {file}" + ("" if words is None else f"\n     {words[clip]}"))
        for number, change in enumerate(changes(self.assignment.features) if described else (), start=2):
            print(f"  {number}: {change}")

    def _ask(self, leased: Leased) -> bool:
        """Ask until there is an answer; return False when the person leaves."""
        while True:
            try:
                said = input("> ").strip().lower()
            except EOFError:
                said = "q"
            token = uuid.uuid4().hex
            try:
                if said == "q":
                    self._desk.release(self._name)
                    return False
                if said == "z":
                    print(
                        "Taken back." if self._desk.undo(self._name, token=token) else "There is nothing to take back."
                    )
                    return True  # the query that was taken back is asked again first
                scores = None if said == "s" else scores_of(leased.kind, said, len(leased.clips))
                self._desk.answer(self._name, leased.number, scores, token=token)
                return True
            except ConfigError as error:
                print(error)
            except Conflict as conflict:
                print(conflict)
                return True


def _in_lines(texts: list[tuple[str, str]]) -> list[str]:
    """Return the lines that show texts: the prompt, once if all answer the same one, and the numbered responses."""
    lines, same = [], len({prompt for prompt, _ in texts}) == 1
    for place, (prompt, response) in enumerate(texts):
        if place == 0 or not same:
            lines += ["  Prompt:", *_indented(prompt)]
        lines += [f"  {place + 1}:", *_indented(response)]
    return lines


def _indented(text: str) -> list[str]:
    """Return the lines of a text, indented; characters that could change the terminal become question marks."""
    safe = "".join(one if one in JOINERS or one.isprintable() else "?" for one in text.replace("\t", " "))
    return [f"     {line}" for line in safe.split("\n")]


def scores_of(kind: str, said: str, clips: int) -> list[float]:
    """Return the scores of the clips, in the order shown, that the typed text ``said`` means.

    Raises:
        ConfigError: when the text is not an answer.
    """
    message = f"'{said}' is not an answer: {HOW[kind]}; {KEYS}."
    if kind == "rating":
        try:
            return [float(said)]
        except ValueError as error:
            raise ConfigError(message) from error
    if kind == "yes_no":
        answer = {"y": [1.0], "yes": [1.0], "n": [0.0], "no": [0.0]}.get(said)
        require(answer is not None, message)
        return answer or []
    if kind == "pair":
        found = {"1": [1.0, 0.0], "2": [0.0, 1.0], "=": [0.0, 0.0]}.get(said)
        require(found is not None, message)
        return found or []
    if kind in ("correction", "description"):
        require(said == "=" or (said.isdecimal() and 1 <= int(said) <= clips), message)
        return [1.0 if said == "=" or place == int(said) - 1 else 0.0 for place in range(clips)]
    order = said.replace(",", " ").split()
    require(sorted(order) == sorted(map(str, range(1, clips + 1))), message)
    return [float(clips - 1 - order.index(str(place + 1))) for place in range(clips)]
