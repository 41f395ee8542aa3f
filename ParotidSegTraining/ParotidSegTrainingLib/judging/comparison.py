"""Is model A better than model B? Paired statistics of two evaluations of the same cases.

Everything is paired: each case was scored with A and with B, and the differences A - B are what is judged. Two glands
of one patient are not independent, so each structure is judged on its own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ParotidSegLib.errors import DataError
from ParotidSegLib.measuring.metrics import Summary, summarise
from ParotidSegLib.structures import Structure

from .agreement import require_statistics
from .dose_agreement import dose_summary
from .results import Metric, Results, column_of, has_doses, missed

#: Up to this many pairs the p-value of the signed-rank test is exact.
LARGEST_EXACT = 50


@dataclass(frozen=True)
class SignedRanks:
    """Wilcoxon's signed-rank test.

    Attributes:
        n: differences that are not zero; the others are left out, as in Wilcoxon (1945).
        zeros: differences that are zero.
        positive, negative: sums of the ranks of the positive and of the negative differences.
        p: two-sided p-value; NaN if every difference is zero.
        method: "exact" or "normal approximation".
        rank_biserial: (positive - negative) / (positive + negative), -1 to 1; NaN if every difference is zero.
    """

    n: int
    zeros: int
    positive: float
    negative: float
    p: float
    method: str
    rank_biserial: float


@dataclass(frozen=True)
class PairedT:
    """Student's test of paired values; NaN where there are fewer than two pairs, or no spread."""

    t: float
    degrees_of_freedom: int
    p: float


@dataclass(frozen=True)
class Comparison:
    """One metric of one structure, A against B.

    Attributes:
        a, b: summaries of the pairs alone, so that both are of the same cases.
        difference: summary of A - B; its interval is the seeded percentile bootstrap of the mean difference.
        undefined: cases left out because the metric is undefined (NaN) for A, B or both: nobody has the structure.
        infinite: cases left out because a distance is infinite for A, B or both: one of them missed the structure.
        a_better, b_better, equal: number of pairs.
        signed_ranks: the test that the page names first, for it asks no normal distribution.
        t: the test that is usual besides.
        cohen_dz: mean difference over the standard deviation of the differences; NaN without spread.
    """

    a: Summary
    b: Summary
    difference: Summary
    undefined: int
    infinite: int
    a_better: int
    b_better: int
    equal: int
    signed_ranks: SignedRanks
    t: PairedT
    cohen_dz: float

    @property
    def n(self) -> int:
        """Pairs."""
        return self.difference.n


@dataclass(frozen=True)
class Comparisons:
    """Two evaluations side by side.

    Attributes:
        a, b: both, with the cases that they share, in the order of A.
        only_a, only_b: cases that one alone has: they are left out.
        by_structure: structure key -> column -> comparison.
    """

    a: Results
    b: Results
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    by_structure: Mapping[str, Mapping[str, Comparison]]

    @property
    def structures(self) -> tuple[Structure, ...]:
        """What both have scored."""
        return self.a.structures

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The metrics that both have."""
        columns = {metric.column for metric in self.b.metrics}
        return tuple(metric for metric in self.a.metrics if metric.column in columns)

    @property
    def has_doses(self) -> bool:
        """Whether both were scored with doses."""
        return has_doses(self.a.rows) and has_doses(self.b.rows)

    def figures(self) -> dict[str, Any]:
        """Everything as data, ready for JSON."""
        return {
            "a": dict(self.a.about),
            "b": dict(self.b.about),
            "n_cases": len(self.a.rows),
            "only_a": list(self.only_a),
            "only_b": list(self.only_b),
            "swapped": {"a": _swapped(self.a), "b": _swapped(self.b)},
            "missed": {
                structure.key: {"a": missed(self.a.rows, structure.key), "b": missed(self.b.rows, structure.key)}
                for structure in self.structures
            },
            "comparisons": {
                key: {column: asdict(comparison) for column, comparison in columns.items()}
                for key, columns in self.by_structure.items()
            },
            **({"dose_agreement": {"a": _doses(self.a), "b": _doses(self.b)}} if self.has_doses else {}),
        }


def _doses(results: Results) -> dict[str, Any]:
    return dose_summary([row.doses for row in results.rows], results.structures)


def _swapped(results: Results) -> int:
    return sum(row.swapped for row in results.rows)


def compare_results(a: Results, b: Results) -> Comparisons:
    """Compare two evaluations, case by case.

    Raises:
        DataError: they have no case in common, or scored different structures.
        ParotidSegError: SciPy is not installed.
    """
    if [s.key for s in a.structures] != [s.key for s in b.structures]:
        raise DataError("The two evaluations scored different structures: compare models of the same structures.")
    of_a, of_b = ({row.case: row for row in results.rows} for results in (a, b))
    shared = [case for case in of_a if case in of_b]
    if not shared:
        raise DataError("The two evaluations have no case in common: evaluate both on the same split.")
    first = Results(tuple(of_a[case] for case in shared), a.structures, a.about)
    second = Results(tuple(of_b[case] for case in shared), b.structures, b.about)
    both = Comparisons(
        first,
        second,
        tuple(case for case in of_a if case not in of_b),
        tuple(case for case in of_b if case not in of_a),
        {},
    )
    by_structure = {
        structure.key: {
            metric.column: compare_values(
                column_of(first.rows, structure.key, metric.column),
                column_of(second.rows, structure.key, metric.column),
                higher_is_better=metric.higher_is_better,
            )
            for metric in both.metrics
        }
        for structure in a.structures
    }
    return Comparisons(first, second, both.only_a, both.only_b, by_structure)


def compare_values(a: ArrayLike, b: ArrayLike, *, higher_is_better: bool = True) -> Comparison:
    """Compare paired values.

    Args:
        a, b: values of A and B, shape (n,), in the same order; a pair with a NaN or an infinity is left out.
        higher_is_better: False for distances.

    Raises:
        ValueError: the shapes differ or have more than one axis.
        ParotidSegError: SciPy is not installed.
    """
    first, second = (np.asarray(values, dtype=np.float64) for values in (a, b))
    if first.ndim != 1 or first.shape != second.shape:
        raise ValueError(f"two lists of values of one length are needed, not {first.shape} and {second.shape}")
    undefined = np.isnan(first) | np.isnan(second)
    infinite = ~undefined & (np.isinf(first) | np.isinf(second))
    first, second = (values[~undefined & ~infinite] for values in (first, second))
    differences = first - second
    summary = summarise(differences)
    towards_a = differences if higher_is_better else -differences
    return Comparison(
        a=summarise(first),
        b=summarise(second),
        difference=summary,
        undefined=int(undefined.sum()),
        infinite=int(infinite.sum()),
        a_better=int((towards_a > 0.0).sum()),
        b_better=int((towards_a < 0.0).sum()),
        equal=int((differences == 0.0).sum()),
        signed_ranks=signed_ranks(differences),
        t=paired_t(differences),
        cohen_dz=summary.mean / summary.sd if summary.n > 1 and summary.sd > 0.0 else math.nan,
    )


def signed_ranks(differences: ArrayLike) -> SignedRanks:
    """Wilcoxon's signed-rank test (Biometrics Bulletin 1, 1945) of finite differences, with its effect size.

    Differences of zero are left out. The p-value is exact for up to 50 differences without ties; otherwise it is that
    of the normal approximation with the variance corrected for ties and a continuity correction of one half. The effect
    size is the matched-pairs rank-biserial correlation (King and Minium 2003; Kerby, Comprehensive Psychology 3, 2014):
    the share of the rank sum that is for A minus the share that is against it.

    Raises:
        ParotidSegError: SciPy is not installed.
    """
    stats = require_statistics()
    values = np.asarray(differences, dtype=np.float64)
    counted = values[values != 0.0]
    if not counted.size:
        return SignedRanks(0, int(values.size), 0.0, 0.0, math.nan, "exact", math.nan)
    sizes = np.abs(counted)
    ranks = stats.rankdata(sizes)
    positive, negative = float(ranks[counted > 0.0].sum()), float(ranks[counted < 0.0].sum())
    is_exact = counted.size <= LARGEST_EXACT and np.unique(sizes).size == counted.size
    found = stats.wilcoxon(counted, method="exact" if is_exact else "asymptotic", correction=not is_exact)
    return SignedRanks(
        n=int(counted.size),
        zeros=int(values.size - counted.size),
        positive=positive,
        negative=negative,
        p=float(found.pvalue),
        method="exact" if is_exact else "normal approximation",
        rank_biserial=(positive - negative) / (positive + negative),
    )


def paired_t(differences: ArrayLike) -> PairedT:
    """Student's two-sided test that the mean of finite differences is zero.

    Raises:
        ParotidSegError: SciPy is not installed.
    """
    stats = require_statistics()
    values = np.asarray(differences, dtype=np.float64)
    freedom = int(values.size) - 1
    if freedom < 1 or not np.ptp(values):
        return PairedT(math.nan, max(freedom, 0), math.nan)
    found = stats.ttest_1samp(values, 0.0)
    return PairedT(float(found.statistic), freedom, float(found.pvalue))
