"""Load for the endurance programs: users who log in, refresh, change passwords and log out.

At the end `report` checks that all that was acknowledged is still true, and that no request was
answered with an error that the program does not expect.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from tests.endurance.person import Person


class Load:
    """Users in threads of their own, each acting again and again."""

    def __init__(self, choose_url: Callable[[], str], people: int) -> None:
        self.answers: Counter[int] = Counter()
        self.people = [Person(one, choose_url, self.answers) for one in range(people)]
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(one,)) for one in self.people]

    def start(self) -> None:
        """Register the users, and let them act."""
        for person in self.people:
            person.register()
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let each user finish the request that has begun."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _run(self, person: Person) -> None:
        while not self._stopping.wait(random.uniform(0, 0.1)):
            person.act()

    def report(self, program: str, tolerated: set[int], **counts: int) -> int:
        """Print in one line what held, or what did not; return the exit status."""
        answers = dict(sorted(self.answers.items()))
        unexpected = {
            one: n for one, n in answers.items() if one not in {200, 202, 204} | tolerated
        }
        lost = [sentence for person in self.people for sentence in person.lost()]
        done = sum((person.acknowledged for person in self.people), Counter(counts))
        facts = ", ".join(f"{number} {name}" for name, number in sorted(done.items()))
        held = not lost and not unexpected
        verdict = "held: nothing acknowledged is lost" if held else "DID NOT HOLD"
        problems = f"; lost: {lost}; unexpected answers: {unexpected}" if not held else ""
        print(f"{program} {verdict}{problems}; {facts}; answers by status: {answers}", flush=True)
        return int(not held)


@contextmanager
def under_load(urls: Sequence[str], people: int = 8) -> Iterator[Load]:
    """Let users act on these servers, each request on any of them, while the block runs."""
    load = Load(partial(random.choice, urls), people)
    load.start()
    try:
        yield load
    finally:
        load.stop()
