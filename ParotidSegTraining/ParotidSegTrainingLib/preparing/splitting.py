"""Cases into training, validation and test: by patient, stratified, and the same again for the same seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ParotidSegLib.errors import DataError

from ..data.dataset import SPLITS

#: Shares of training, validation and test.
SHARES = (0.70, 0.15, 0.15)


@dataclass(frozen=True)
class CaseFacts:
    """What the split of a case depends on.

    Attributes:
        case: its name.
        patient: cases of one patient stay together.
        source: where it comes from; each source is spread over all splits.
        volumes_ml: volume of each structure by key, 0 where it is absent.
    """

    case: str
    patient: str
    source: str
    volumes_ml: Mapping[str, float]


def split_cases(
    cases: Sequence[CaseFacts],
    *,
    seed: int,
    shares: Sequence[float] = SHARES,
    fixed: Mapping[str, str] | None = None,
) -> dict[str, list[str]]:
    """Divide cases by patient.

    Patients are put in order by stratum (source, structures present, tercile of the volume in all), at random within
    each. Walking along that order, the next patient goes to the split that lags most behind its share. So every split
    has its share of every stratum, as nearly as whole patients allow, and of the whole.

    Args:
        cases: names must be unique.
        seed: of the order within a stratum.
        shares: of training, validation and test; they add up to 1.
        fixed: case -> split of an earlier division; it stays, and with it all cases of the same patient.

    Returns:
        Names of the cases by split, sorted.

    Raises:
        DataError: shares are negative or do not add up to 1, or the earlier division parts one patient.
    """
    check_shares(shares)
    patients: dict[str, list[CaseFacts]] = {}
    for facts in sorted(cases, key=lambda facts: facts.case):
        patients.setdefault(facts.patient, []).append(facts)
    chosen = _fixed_patients(patients, fixed or {})
    counts = np.zeros(len(SPLITS))
    for patient, split in chosen.items():
        counts[SPLITS.index(split)] += len(patients[patient])
    for patient in _order(patients, seed):
        if patient in chosen:
            continue
        weight = len(patients[patient])
        lag = np.array(shares) * (counts.sum() + weight) - counts
        best = int(np.argmax(np.where(np.array(shares) > 0.0, lag, -np.inf)))
        chosen[patient] = SPLITS[best]
        counts[best] += weight
    return {
        split: sorted(facts.case for patient, own in patients.items() if chosen[patient] == split for facts in own)
        for split in SPLITS
    }


def check_shares(shares: Sequence[float]) -> None:
    """Raise a DataError unless these are shares of training, validation and test."""
    if len(shares) != len(SPLITS) or not min(shares) >= 0.0 or not abs(sum(shares) - 1.0) <= 1e-6:
        raise DataError(f"The shares of {', '.join(SPLITS)} must be three numbers of at least 0 that add up to 100 %.")


def _fixed_patients(patients: Mapping[str, Sequence[CaseFacts]], fixed: Mapping[str, str]) -> dict[str, str]:
    chosen = {}
    for patient, own in patients.items():
        splits = {fixed[facts.case] for facts in own if facts.case in fixed}
        if len(splits) > 1:
            raise DataError(
                "The earlier division has scans of one patient in two splits: delete its splits.json to divide anew."
            )
        if splits:
            (chosen[patient],) = splits
    return chosen


def _order(patients: Mapping[str, Sequence[CaseFacts]], seed: int) -> list[str]:
    """Patients by stratum, in a random order within each."""
    volumes = {patient: sum(own[0].volumes_ml.values()) for patient, own in patients.items()}
    lower, upper = np.quantile(list(volumes.values()), (1 / 3, 2 / 3)) if volumes else (0.0, 0.0)
    shuffled = np.random.default_rng(seed).permutation(len(patients))
    chance = dict(zip(sorted(patients), shuffled.tolist(), strict=True))

    def stratum(patient: str) -> tuple[str, tuple[str, ...], int, int]:
        first = patients[patient][0]
        present = tuple(sorted(key for key, volume in first.volumes_ml.items() if volume > 0.0))
        tercile = int(volumes[patient] > lower) + int(volumes[patient] > upper)
        return first.source, present, tercile, chance[patient]

    return sorted(patients, key=stratum)
