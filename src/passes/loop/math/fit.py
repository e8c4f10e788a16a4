"""Derives every polynomial of coefficients.h; prints them as C++ initialisers.

Method: the Remez exchange on g(z), weighted so that the error it levels is the error of the
function relative to the function's value. A polynomial's coefficients are then rounded to the
format one by one, lowest power first, each time fitting the rest again, so that rounding one is
made good by the others. Rational functions are fitted by least squares on Chebyshev points whose
weights grow where the error is large (Lawson), with the previous denominator as a weight.

Run: python3 fit.py            (needs mpmath and numpy)
"""
import mpmath as mp
import numpy as np

mp.mp.dps = 60


def rounded(value, digits):
    """`value` rounded to a binary format of that many significant bits."""
    if value == 0:
        return mp.mpf(0)
    _, exponent = mp.frexp(value)
    scale = mp.mpf(2) ** (digits - exponent)
    return mp.nint(value * scale) / scale


def remez(g, weight, low, high, degree):
    """Coefficients c of least maximum of |weight(z) (g(z) - sum c[k] z**k)| on [low, high]."""
    count = degree + 2
    points = [low + (high - low) * (1 - mp.cos(mp.pi * k / (count - 1))) / 2 for k in range(count)]
    grid = [low + (high - low) * (1 - mp.cos(mp.pi * k / 400)) / 2 for k in range(401)]
    targets, weights = [g(z) for z in grid], [weight(z) for z in grid]
    for _ in range(12):
        rows = mp.matrix(count, count)
        right = mp.matrix(count, 1)
        for i, z in enumerate(points):
            for k in range(degree + 1):
                rows[i, k] = weight(z) * z**k
            rows[i, degree + 1] = (-1) ** i
            right[i] = weight(z) * g(z)
        solution = mp.lu_solve(rows, right)
        coefficients = [solution[k] for k in range(degree + 1)]
        errors = [
            w * (t - mp.polyval(coefficients[::-1], z)) for z, t, w in zip(grid, targets, weights)
        ]
        runs = []  # the largest error of each run of one sign
        for z, error in zip(grid, errors):
            if runs and (error >= 0) == (runs[-1][1] >= 0):
                if abs(error) > abs(runs[-1][1]):
                    runs[-1] = (z, error)
            else:
                runs.append((z, error))
        if len(runs) < count:
            break
        while len(runs) > count:
            runs.pop(0 if abs(runs[0][1]) < abs(runs[-1][1]) else -1)
        points = [z for z, _ in runs]
    return coefficients, max(abs(e) for e in errors)


def polynomial(name, bits, g, weight, low, high, degree):
    """Prints a polynomial in z with coefficients of `bits` significant bits."""
    low, high = mp.mpf(low), mp.mpf(high)
    fixed = []
    for k in range(degree + 1):
        rest = lambda z: (g(z) - mp.polyval(fixed[::-1], z)) / z**k if fixed else g(z)
        start = max(low, high * mp.mpf(10) ** -6)  # the weights vanish at 0
        found, error = remez(rest, lambda z: weight(z) * z**k, start, high, degree - k)
        if k == 0:
            best = error
        fixed.append(rounded(found[0], bits))
    show(name, fixed, f"{mp.nstr(best, 3)} before rounding")


def show(name, coefficients, note):
    digits = 17
    numbers = ", ".join(mp.nstr(c, digits, min_fixed=0, max_fixed=0) for c in coefficients)
    print(f"// {name}: relative error {note}\n{{{numbers}}},\n", flush=True)


def rational(name, f, high, top, bottom):
    """x * P(z) / Q(z) with z = x * x for an odd f on [0, high]: prints P, then Q with Q(0) = 1."""
    points = 3000
    z = (high**2) * (1 - np.cos(np.pi * (np.arange(points) + 0.5) / points)) / 2
    x = np.sqrt(z)
    scaled = z / high**2
    target = np.array([float(f(mp.mpf(v)) / v) for v in x])
    lawson = np.ones(points)
    denominator = np.ones(points)
    best = (np.inf, None)
    for _ in range(300):
        weight = np.sqrt(lawson) / (np.abs(denominator) * target)
        columns = [scaled**k for k in range(top + 1)]
        columns += [-target * scaled**k for k in range(1, bottom + 1)]
        matrix = np.stack(columns, axis=1) * weight[:, None]
        solution = np.linalg.lstsq(matrix, target * weight, rcond=1e-18)[0]
        p = np.concatenate([solution[: top + 1]])
        q = np.concatenate([[1.0], solution[top + 1 :]])
        denominator = np.polyval(q[::-1], scaled)
        error = np.abs(np.polyval(p[::-1], scaled) / denominator / target - 1)
        if error.max() < best[0]:
            best = (error.max(), (p, q))
        lawson = lawson * (error / error.max() + 1e-3)
        lawson = lawson / lawson.sum() * points
    p, q = best[1]
    unscale = lambda c: [
        rounded(mp.mpf(float(v)) / mp.mpf(high) ** (2 * k), 24) for k, v in enumerate(c)
    ]
    show(name + " P", unscale(p), f"{best[0]:.3g} before rounding")
    show(name + " Q", unscale(q), "as P")


def main():
    ln2 = mp.log(2)
    small = lambda g, at_zero, z: at_zero if z == 0 else g(z)
    for bits, degree in ((24, dict(exp=4, log=2, sine=2, cosine=2, atan=8, asin=4, sinh=3)),
                         (53, dict(exp=9, log=6, sine=5, cosine=5, atan=18, asin=11, sinh=5))):
        half = ln2 / 2
        # (e^t - 1 - t) / t^2, for e^t and for e^t - 1
        g = lambda t: small(lambda t: (mp.expm1(t) - t) / t**2, mp.mpf(1) / 2, t)
        polynomial_on_both_signs("exp", bits, g, lambda t: t**2, -half, half, degree["exp"])
        # s = f / (2 + f), z = s^2: (log((1 + s) / (1 - s)) / s - 2) / z
        top = ((mp.sqrt(2) - 1) / (mp.sqrt(2) + 1)) ** 2
        g = lambda z: small(
            lambda z: (2 * mp.atanh(mp.sqrt(z)) / mp.sqrt(z) - 2) / z, mp.mpf(2) / 3, z
        )
        polynomial("log", bits, g, lambda z: z, 0, top, degree["log"])
        top = (mp.pi / 4) ** 2
        g = lambda z: small(lambda z: (mp.sin(mp.sqrt(z)) / mp.sqrt(z) - 1) / z, -mp.mpf(1) / 6, z)
        polynomial("sine", bits, g, lambda z: z, 0, top, degree["sine"])
        g = lambda z: small(lambda z: (mp.cos(mp.sqrt(z)) - 1 + z / 2) / z**2, mp.mpf(1) / 24, z)
        polynomial("cosine", bits, g, lambda z: z**2, 0, top, degree["cosine"])
        g = lambda z: small(lambda z: (mp.atan(mp.sqrt(z)) / mp.sqrt(z) - 1) / z, -mp.mpf(1) / 3, z)
        polynomial("atan", bits, g, lambda z: z, 0, 1, degree["atan"])
        g = lambda z: small(lambda z: (mp.asin(mp.sqrt(z)) / mp.sqrt(z) - 1) / z, mp.mpf(1) / 6, z)
        polynomial("asin", bits, g, lambda z: z, 0, mp.mpf(1) / 4, degree["asin"])
        g = lambda z: small(lambda z: (mp.sinh(mp.sqrt(z)) / mp.sqrt(z) - 1) / z, mp.mpf(1) / 6, z)
        polynomial("sinh", bits, g, lambda z: z, 0, 1, degree["sinh"])
    # erf(x) = x * P(x^2) on [0, 1] and 1 - exp(-x^2) * P((x - 2) / (x + 2)) on [1, 6], for f64
    g = lambda z: small(lambda z: mp.erf(mp.sqrt(z)) / mp.sqrt(z), 2 / mp.sqrt(mp.pi), z)
    polynomial("erf", 53, g, lambda z: 1, 0, 1, 11)
    scaled = lambda t: 2 * (1 + t) / (1 - t)
    g = lambda t: mp.erfc(scaled(t)) * mp.exp(scaled(t) ** 2)
    polynomial_on_both_signs("erfc", 53, g, lambda t: 1, -mp.mpf(1) / 3, mp.mpf(1) / 2, 15)
    rational("tanh", mp.tanh, 9.02, 6, 3)
    rational("erf", mp.erf, 3.93, 6, 4)


def polynomial_on_both_signs(name, bits, g, weight, low, high, degree):
    """As `polynomial`, for an interval around zero: rounds all coefficients at once."""
    found, error = remez(g, weight, mp.mpf(low), mp.mpf(high), degree)
    show(name, [rounded(c, bits) for c in found], f"{mp.nstr(error, 3)} before rounding")


if __name__ == "__main__":
    main()
