"""Student's t, central and not, F, and the normal distribution.

From scipy.special, which gives the same numbers as scipy.stats: that takes half a second more to import, in every run
that makes tables.
"""

import numpy as np
from scipy import special


def t_critical(freedom: float, level: float) -> float:
    """Return what |t| exceeds with probability `level`, between 0 and 1, at so many degrees of freedom."""
    return float(special.stdtrit(freedom, 1 - level / 2))


def t_p_value(t: float, freedom: float) -> float:
    """Return the two-sided p value of a value of t."""
    return float(2 * special.stdtr(freedom, -abs(t)))


def t_power(noncentrality: float, freedom: float, level: float) -> float:
    """Return the probability that |t| exceeds its critical value if its noncentrality is this."""
    critical = t_critical(freedom, level)
    upper = 1 - special.nctdtr(freedom, noncentrality, critical)
    # the far tail is given as NaN where it is too small to compute
    lower = np.nan_to_num(special.nctdtr(freedom, noncentrality, -critical))
    return float(upper + lower)


def f_p_value(ratio: float, more: float, freedom: float) -> float:
    """Return the probability that F exceeds this ratio; `more` degrees of freedom above, `freedom` below."""
    return float(special.fdtrc(more, freedom, ratio))


def normal_below(value: float) -> float:
    """Return the probability that a standard normal value is below this one."""
    return float(special.ndtr(value))
