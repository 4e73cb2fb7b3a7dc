"""A measured value that is not a ratio of two rates, with its threshold."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One row of the report's second table."""

    name: str
    """Name of the measurement."""
    subject: str
    value: float
    unit: str
    maximum: float | None = None
    """The value must be below this."""
    minimum: float | None = None
    """The value must be above this."""
    details: str = ""
    """How it was measured."""

    @property
    def passed(self) -> bool:
        """Whether the value meets its threshold, if it has one."""
        low = self.minimum is None or self.value > self.minimum
        return low and (self.maximum is None or self.value < self.maximum)

    @property
    def threshold(self) -> str:
        """The threshold in words, or an empty string."""
        over = f"over {self.minimum:g}" if self.minimum is not None else ""
        return f"under {self.maximum:.4g}" if self.maximum is not None else over
