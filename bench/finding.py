"""A number that is no ratio of two rates, and what it shall stay under or over."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One line of the report's second table."""

    name: str
    """Of the measurement that found it."""
    subject: str
    value: float
    unit: str
    most: float | None = None
    """The value shall be below this."""
    least: float | None = None
    """The value shall be above this."""
    about: str = ""
    """How it was found."""

    @property
    def met(self) -> bool:
        """Whether the value is on the right side of its bar; without a bar it is."""
        low = self.least is None or self.value > self.least
        return low and (self.most is None or self.value < self.most)

    @property
    def bar(self) -> str:
        """The bar in words, or nothing."""
        over = f"over {self.least:g}" if self.least is not None else ""
        return f"under {self.most:.4g}" if self.most is not None else over
