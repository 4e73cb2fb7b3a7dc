"""A check of an installation, and its result: the shapes that all checks share."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass

OK, WARNING, FAILED, SKIPPED = "ok", "warning", "failed", "skipped"


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, in a sentence that says what to do."""

    sentence: str
    is_warning: bool = False
    """Whether the service works safely in spite of it."""


@dataclass(frozen=True)
class Check:
    """A check: a function that yields what is wrong, and the requirement that it serves."""

    name: str
    requirement: str
    """A row of docs/security-requirements.md."""
    find: Callable[[], Iterable[Finding]]
    needs: str = ""
    """Name of the check without whose success this one makes no sense, and is skipped."""


@dataclass(frozen=True)
class Result:
    """The outcome of a check."""

    check: str
    requirement: str
    findings: tuple[Finding, ...] = ()
    is_skipped: bool = False

    @property
    def status(self) -> str:
        """`ok`, `warning`, `failed` or `skipped`."""
        if self.is_skipped:
            return SKIPPED
        if not self.findings:
            return OK
        return WARNING if all(finding.is_warning for finding in self.findings) else FAILED

    def to_json(self) -> dict[str, object]:
        """Return the result as `gatehouse doctor --json` prints it."""
        findings = [asdict(finding) for finding in self.findings]
        about = {"check": self.check, "requirement": self.requirement, "status": self.status}
        return {**about, "findings": findings}
