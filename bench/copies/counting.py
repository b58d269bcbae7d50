"""Counts become rates with bounds."""

from dataclasses import dataclass

from scipy.stats import beta  # type: ignore[import-untyped]

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Rate:
    """`hits` of `tries`, with exact two-sided 95 % bounds (Clopper and Pearson 1934)."""

    hits: int
    tries: int

    @property
    def value(self) -> float:
        """The share; 0 when nothing was tried."""
        return self.hits / self.tries if self.tries else 0.0

    @property
    def low(self) -> float:
        """Below this the true rate would show so many hits in 2.5 % of runs at most."""
        return float(beta.ppf((1 - CONFIDENCE) / 2, self.hits, self.tries - self.hits + 1)) if self.hits else 0.0

    @property
    def high(self) -> float:
        """Above this the true rate would show so few hits in 2.5 % of runs at most."""
        misses = self.tries - self.hits
        return float(beta.ppf((1 + CONFIDENCE) / 2, self.hits + 1, misses)) if misses else 1.0

    @property
    def at_most(self) -> float:
        """The one-sided 95 % bound: what "none in so many tries" allows to claim."""
        misses = self.tries - self.hits
        return float(beta.ppf(CONFIDENCE, self.hits + 1, misses)) if misses else 1.0

    def as_json(self) -> dict[str, float]:
        """For results.json."""
        return {"hits": self.hits, "of": self.tries, "rate": self.value, "low": self.low, "high": self.high}

    def __add__(self, other: "Rate") -> "Rate":
        return Rate(self.hits + other.hits, self.tries + other.tries)

    def __str__(self) -> str:
        return f"{self.value:5.3f} [{self.low:.3f}, {self.high:.3f}]"
