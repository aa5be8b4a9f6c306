"""Standard normal numbers from uniform ones, by operations that are rounded alike everywhere.

M. J. Wichura, "Algorithm AS 241: the percentage points of the normal distribution", Applied Statistics 37
(1988), routine PPND7: seven digits, as many as float32 has. Nothing of the platform's libm is used.
"""

import numpy as np

_CENTRE = 0.425
"""Half the width of the range about 1/2 in which one quotient of polynomials serves, without a logarithm."""
_FAR = 5.0
_LN2 = 0.6931471805599453
_SQRT_HALF = 0.7071067811865476

# Coefficients from the constant on: numerator, denominator.
_CENTRAL = (
    (3.3871327179, 50.434271938, 159.29113202, 59.109374720),
    (1.0, 17.895169469, 78.757757664, 67.187563600),
)
_TAIL = (
    (1.4234372777, 2.7568153900, 1.3067284816, 0.17023821103),
    (1.0, 0.73700164250, 0.12021132975),
)
_FAR_TAIL = (
    (6.6579051150, 3.0812263860, 0.42868294337, 0.017337203997),
    (1.0, 0.24197894225, 0.012258202635),
)


def normal_quantiles(probabilities: np.ndarray) -> np.ndarray:
    """Return the standard normal quantiles of `probabilities`, float64 [n] inside (0, 1): float64 [n]."""
    offset = probabilities - 0.5
    quantiles = offset * _quotient(_CENTRAL, _CENTRE**2 - offset * offset)
    outside = np.flatnonzero(np.abs(offset) > _CENTRE)
    if len(outside):
        beyond = probabilities[outside]
        depth = np.sqrt(-_log(np.minimum(beyond, 1 - beyond)))
        size = np.where(depth <= _FAR, _quotient(_TAIL, depth - 1.6), _quotient(_FAR_TAIL, depth - _FAR))
        quantiles[outside] = np.copysign(size, offset[outside])
    return quantiles


def _quotient(coefficients: tuple[tuple[float, ...], tuple[float, ...]], argument: np.ndarray) -> np.ndarray:
    above, below = coefficients
    return np.asarray(_polynomial(above, argument) / _polynomial(below, argument))


def _polynomial(coefficients: tuple[float, ...], argument: np.ndarray) -> np.ndarray:
    """Evaluate by Horner's rule; product and sum are rounded one after the other, never fused."""
    value = np.full_like(argument, coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        value *= argument
        value += coefficient
    return value


def _log(numbers: np.ndarray) -> np.ndarray:
    """Return natural logarithms of positive `numbers` [n] to about ten digits: the series of artanh."""
    mantissa, exponent = np.frexp(numbers)
    small = mantissa < _SQRT_HALF
    mantissa = np.where(small, 2 * mantissa, mantissa)  # in [sqrt(1/2), sqrt(2))
    ratio = (mantissa - 1) / (mantissa + 1)
    series = _polynomial(tuple(2 / (2 * k + 1) for k in range(7)), ratio * ratio)
    return np.asarray((exponent - small) * _LN2 + ratio * series)
