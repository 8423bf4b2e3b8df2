"""Smooth gates: z times a share of itself between 0 and 1, with a dip below zero."""

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from trivium.activations import _gated, _gauss
from trivium.activations._lifted import BACK, at_most, lifted_exp
from trivium.activations._rules import with_derivatives
from trivium.numerics import magnitude, near_root, polynomial, product

FAR = 200.0
"""Beyond this |z|, exp(-|z|) has long been zero."""


@with_derivatives(_gauss.gelu_slope)
def gelu(z: Array) -> Array:
    """GELU: z * Phi(z); Phi = the normal distribution function.

    Range [-0.16997121, inf); derivative Phi(z) + z * phi(z), phi = the normal density.
    Trap: the tanh form in common use differs from it by up to 5e-4: go on with the form that a model began with.
    Source: Hendrycks & Gimpel 2016, "Gaussian error linear units (GELUs)".
    """
    return _gauss.gelu(z)


@with_derivatives(_gauss.tanh_form_slope)
def gelu_tanh(z: Array) -> Array:
    """GELU, tanh form: z / 2 * (1 + tanh(sqrt(2 / pi) * (z + 0.044715 * z^3))).

    Range [-0.17004076, inf); derivative s * (1 + z * y' * (1 - s)), s = sigmoid(y), y = twice the argument of tanh.
    Trap: differs from GELU proper by up to 5e-4: go on with the form that a model began with.
    Source: Hendrycks & Gimpel 2016, "Gaussian error linear units (GELUs)", section 2.
    """
    return _gauss.tanh_form(z)


def _quick_gelu_slope(z: Array) -> Array:
    y, rest = product(jnp.clip(z, -FAR, FAR), 1.702)
    return _gated.slope(y, rest)


@with_derivatives(_quick_gelu_slope)
def quick_gelu(z: Array) -> Array:
    """Quick GELU: z / (1 + exp(-1.702 * z)).

    Range [-0.16361019, inf); derivative s * (1 + 1.702 * z * (1 - s)), s = sigmoid(1.702 * z).
    Trap: differs from GELU proper by up to 0.02: go on with the form that a model began with.
    Source: Hendrycks & Gimpel 2016, "Gaussian error linear units (GELUs)", section 2.
    """
    return _gated.gate(z, *product(jnp.clip(z, -FAR, FAR), 1.702))


@with_derivatives(_gated.silu_slope)
def silu(z: Array) -> Array:
    """SiLU: z / (1 + exp(-z)).

    Range [-0.27846455, inf); derivative s * (1 + z * (1 - s)), s = sigmoid(z).
    Trap: not monotonic: it falls below z = -1.28, where a unit's gradient points the other way.
    Source: Elfwing, Uchibe & Doya 2018, "Sigmoid-weighted linear units for neural network function approximation in
    reinforcement learning".
    """
    return _gated.silu(z)


@with_derivatives(lambda z: jnp.where(z < -3, 0, jnp.where(z > 3, 1, (2 * jnp.clip(z, -3, 3) + 3) / 6)).astype(z.dtype))
def hard_swish(z: Array) -> Array:
    """Hard swish: z * min(max(z + 3, 0), 6) / 6.

    Range [-0.375, inf); derivative (2z + 3) / 6 between -3 and 3, 0 below, 1 above.
    Trap: dead below -3, and the derivative jumps at both joints.
    Source: Howard et al. 2019, "Searching for MobileNetV3", section 5.2.
    """
    return jnp.where(z <= -3, 0, z * ((jnp.clip(z, -3, 3) + 3) / 6))


def _mish_slope(z: Array) -> Array:
    a = at_most(magnitude(z), FAR)
    power = lifted_exp(-a)
    u = power * BACK
    above = 1 + 2 * u + 2 * u * u
    below = u * u + 2 * u + 2
    slope = jnp.where(
        z < 0,
        power * ((2 - 2 * a) + (u + 2 * a * u * u / below)) / below * BACK,
        ((1 + 2 * u) * above + 4 * a * u * u * (1 + u)) / (above * above),
    )
    if z.dtype == np.float64:
        return slope
    around = u * near_root(-a, -1.1924312145154952121, _MISH)
    return jnp.where((z > -2.4) & (z < 0), around, slope)


_MISH = (
    0.8796154, -0.205008986, -0.0967086231, -0.0141867652, 0.00792353359, 0.00542550998, 0.00110350024, -0.000364575434,
    -0.000329349126, -6.92807867e-05, 2.63536413e-05, 1.28449941e-05,
)  # fmt: skip
"""The slope / (exp(z) * (z - root)) in powers of z - root, z from -2.4 to 0, to 1e-8."""


@with_derivatives(_mish_slope)
def mish(z: Array) -> Array:
    """Mish: z * tanh(log(1 + exp(z))).

    Range [-0.30884132, inf); derivative t + z * (1 - t^2) * sigmoid(z), t = tanh(log(1 + exp(z))).
    Trap: costs more than silu, from which it differs little.
    Source: Misra 2020, "Mish: A self regularized non-monotonic activation function".
    """
    a = at_most(magnitude(z), FAR)
    power = lifted_exp(-a)
    u = power * BACK
    below = -a * power * (1 - u * (1 + u) / (u * u + 2 * u + 2)) * BACK
    return jnp.where(z < 0, below, z * ((1 + 2 * u) / (1 + 2 * u + 2 * u * u)))


def _telu_parts(z: Array) -> tuple[Array, Array, Array]:
    """2^32 * exp(z) below zero, tanh(exp(z)) / exp(z) there, and exp(-2 exp(z)) above."""
    power = lifted_exp(at_most(z, 0))
    u = power * BACK
    ratio = jnp.where(u > 0.01, jnp.tanh(u) / jnp.maximum(u, 0.01), 1 - u * u / 3 + 2 * u**4 / 15 - 17 * u**6 / 315)
    if z.dtype != np.float64:
        ratio = polynomial(u * u, _TANH)
    return power, ratio, jnp.exp(-2 * jnp.exp(jnp.clip(z, 0, 6)))


_TANH = (
    1.0, -0.333333273, 0.133331712, -0.0539511964, 0.0217782312, -0.00858258951, 0.00306490144, -0.000833216239,
    0.000119587806,
)  # fmt: skip
"""tanh(u) / u in powers of u^2 up to 1, interpolated at Chebyshev's points to 4e-10."""


def _telu_slope(z: Array) -> Array:
    power, ratio, small = _telu_parts(z)
    near = jnp.clip(z, -FAR, 0)
    below = power * (ratio + near * (1 - jnp.square(ratio * power * BACK))) * BACK
    if z.dtype != np.float64:
        around = power * BACK * near_root(near, -1.0788600584646240567, _TELU)
        below = jnp.where((z > -2.3) & (z < -0.3), around, below)
    rise = jnp.clip(z, 0, 6) * jnp.exp(jnp.clip(z, 0, 6)) * 4 * small / jnp.square(1 + small)
    return jnp.where(z < 0, below, (1 - small) / (1 + small) + rise)


_TELU = (
    1.03682764, -0.080229681, -0.12093183, -0.0790437824, -0.0245793533, 0.00399085255, 0.00919165118, 0.00528544336,
    0.0012770585, -0.000449370647, -0.000571023806, -0.000236302881, -3.87791111e-05,
)  # fmt: skip
"""The slope / (exp(z) * (z - root)) in powers of z - root, z from -2.3 to -0.3, to 5e-9."""


@with_derivatives(_telu_slope)
def telu(z: Array) -> Array:
    """TeLU: z * tanh(exp(z)).

    Range [-0.35328578, inf); derivative tanh(u) + z * u * (1 - tanh(u)^2), u = exp(z).
    Trap: not monotonic: it falls below z = -1.08.
    Source: Fernandez & Mali 2024, "TeLU activation function for fast and stable deep learning".
    """
    power, ratio, small = _telu_parts(z)
    return jnp.where(z < 0, jnp.clip(z, -FAR, 0) * power * ratio * BACK, z * ((1 - small) / (1 + small)))


def _serf_parts(z: Array) -> tuple[Array, Array, Array]:
    """2^32 * exp(z) below zero, erf(log(1 + u)) / u there, and log(1 + exp(z)) above."""
    power = lifted_exp(at_most(z, 0))
    u = power * BACK
    ratio = lax.erf(jnp.log1p(u)) / jnp.maximum(u, 1e-300) if z.dtype == np.float64 else polynomial(u, _ERF)
    above = jnp.clip(z, 0, 10)
    return power, ratio, above + jnp.log1p(jnp.exp(-above))


_ERF = (
    1.12837917, -0.56418949, -3.52962981e-06, 0.282151234, -0.3202024, 0.237766502, -0.132380868, 0.0541362385,
    -0.0145033856, 0.00188782297,
)  # fmt: skip
"""erf(log(1 + u)) / u in powers of u up to 1, interpolated at Chebyshev's points to 8e-10."""


def _serf_slope(z: Array) -> Array:
    power, ratio, soft = _serf_parts(z)
    near, u = jnp.clip(z, -FAR, 0), power * BACK
    if z.dtype == np.float64:
        below = power * (ratio + near * _TWO_OVER_ROOT_PI * jnp.exp(-jnp.square(jnp.log1p(u))) / (1 + u)) * BACK
    else:
        past = jnp.minimum(1 + near, -1)
        far = past * (polynomial(u, _DENSITY) + u * polynomial(u, _ERF_LESS_DENSITY) / past)
        around = near_root(near, -1.1930599689281879662, _SERF)
        below = power * jnp.where(z > -3.2, around, far) * BACK
    above = jnp.clip(z, 0, 10)
    rise = above * _TWO_OVER_ROOT_PI * jnp.exp(-soft * soft) / (1 + jnp.exp(-above))
    return jnp.where(z < 0, below, (1 - lax.erfc(soft)) + rise)


_TWO_OVER_ROOT_PI = 1.1283791670955126

_DENSITY = (
    1.12837916, -1.12837845, -2.97670324e-05, 1.12887783, -1.60298758, 1.43479003, -0.947239822, 0.46489361,
    -0.160071785, 0.0339875062, -0.00326771671,
)  # fmt: skip
"""2 / sqrt(pi) * exp(-log(1 + u)^2) / (1 + u) in powers of u up to 1, to 3e-9."""

_ERF_LESS_DENSITY = (
    0.564189564, 3.85233452e-06, -0.846416679, 1.28065412, -1.18872395, 0.795364899, -0.382605239, 0.121118012,
    -0.0203854156, 0.000889090002,
)  # fmt: skip
"""(erf(log(1 + u)) / u - that density) / u in the same powers, to 4e-8."""

_SERF = (
    0.994108339, -0.230447043, -0.109841761, -0.0175560758, 0.0077644966, 0.00572169346, 0.00131157477,
    -0.00024526599, -0.000274614832, -7.53903773e-05, 4.60066516e-06, 9.36459266e-06, 2.65032702e-06, 2.68381621e-07,
)  # fmt: skip
"""The slope / (exp(z) * (z - root)) in powers of z - root, z from -3.2 to 0, to 1e-8."""


@with_derivatives(_serf_slope)
def serf(z: Array) -> Array:
    """Serf: z * erf(log(1 + exp(z))).

    Range [-0.34843746, inf); derivative erf(p) + z * 2 / sqrt(pi) * exp(-p^2) * sigmoid(z), p = log(1 + exp(z)).
    Trap: not monotonic: it falls below z = -1.19.
    Source: Nag, Bhattacharyya, Mukherjee & Kundu 2021, "SERF: Towards better training of deep neural networks using
    log-softplus error activation function".
    """
    power, ratio, soft = _serf_parts(z)
    above = 1 - lax.erfc(soft)
    if z.dtype != np.float64:
        above = jnp.where(z < 0.8, polynomial(jnp.clip(z, 0, 0.8), _ERF_OF_SOFTPLUS), above)
    return jnp.where(z < 0, jnp.clip(z, -FAR, 0) * power * ratio * BACK, z * above)


_ERF_OF_SOFTPLUS = (
    0.673041289, 0.348953212, -0.0337041993, -0.0615658689, -0.00192164305, 0.0114500669, 0.0027091391, -0.00224377575,
)  # fmt: skip
"""erf(log(1 + exp(z))) in powers of z, z from 0 to 0.8, to 3e-9."""


hard_silu = hard_swish
