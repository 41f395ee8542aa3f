"""What the mean dose of a gland means for saliva, as studies of groups of patients found it: to compare, not to advise.

The model is that of Lyman, Kutcher and Burman with the parameters of Dijkema et al., "Parotid gland function after
radiotherapy: the combined Michigan and Utrecht experience", Int J Radiat Oncol Biol Phys 78 (2010) 449-453: 222
patients, 384 glands; the end point is stimulated flow below 25 % of that before treatment, one year after it. With a
volume parameter of 1 the generalised equivalent uniform dose is the mean dose. It holds for fractions of about 2 Gy and
for doses as that group had them; a single patient may differ widely.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

#: Mean dose at which half of the glands lost their function, Gy; and the slope.
TD50_GY, SLOPE = 39.9, 0.40


@dataclass(frozen=True)
class Reference:
    """A line that the literature draws.

    Attributes:
        mean_gy: mean dose of a gland, Gy.
        text: what was said of it.
        source: where.
    """

    mean_gy: float
    text: str
    source: str


#: For one gland, unless the text says otherwise; lowest first.
REFERENCES = (
    Reference(
        20.0,
        "severe xerostomia can usually be avoided if one gland is spared to less than this",
        "QUANTEC: Deasy et al., Int J Radiat Oncol Biol Phys 76 (2010) S58-S63",
    ),
    Reference(
        25.0,
        "the same if both glands are spared to less than this",
        "QUANTEC: Deasy et al., Int J Radiat Oncol Biol Phys 76 (2010) S58-S63",
    ),
    Reference(
        26.0,
        "glands above it recovered little stimulated flow within a year",
        "Eisbruch et al., Int J Radiat Oncol Biol Phys 45 (1999) 577-587",
    ),
)
#: The line that plans are most often judged by, Gy.
LIMIT_GY = 26.0


def complication_probability(mean_gy: float, *, td50_gy: float = TD50_GY, slope: float = SLOPE) -> float:
    """The probability, 0..1, that a gland with this mean dose loses its function, by the model named above.

    It is the normal distribution at (mean - TD50) / (m TD50): Lyman, Radiat Res Suppl 8 (1985) S13-S19.
    """
    return 0.5 * (1.0 + math.erf((mean_gy - td50_gy) / (slope * td50_gy) / math.sqrt(2.0)))
