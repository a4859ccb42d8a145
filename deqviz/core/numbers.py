"""Numbers for people, in the one style of all pages and messages."""

import math
import re

_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: float) -> str:
    """Three significant digits, or two and a power of ten: 0.812, 15.8, 4.1·10⁻⁶."""
    if not math.isfinite(value):
        return "∞" if value > 0 else "−∞" if value < 0 else "not a number"
    if value == 0:
        return "0"
    exponent = int(f"{value:.2e}".partition("e")[2])
    if -3 <= exponent < 5:
        return f"{value:.{max(0, 2 - exponent)}f}".replace("-", "−")
    mantissa, _, power = f"{value:.1e}".partition("e")
    return f"{mantissa}·{power_of_ten(int(power))}".replace("-", "−")


def pretty(value: float) -> str:
    """A number that somebody chose, without digits that say nothing: 0.02, 25, 2.5·10⁻⁴."""
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        return f"{value:.{5 if abs(value) >= 1e4 else 4}g}".replace("-", "−")
    mantissa, exponent = f"{value:.2e}".split("e")
    mantissa = mantissa.rstrip("0").rstrip(".").replace("-", "−")
    power = power_of_ten(int(exponent))
    return power if mantissa == "1" else f"{mantissa}·{power}"


def decibels(value: float, digits: int = 2) -> str:
    """ "23.81 dB"; a PSNR below 0 has a minus, no hyphen."""
    return f"{value:.{digits}f} dB".replace("-", "−")


def typeset(text: str) -> str:
    """A text with numbers as Python writes them, "c ≥ -1, 2e-05", in the one style: "c ≥ −1, 2·10⁻⁵"."""

    def power(found: re.Match[str]) -> str:
        digits = "" if found[1] == "1" else f"{found[1]}·"
        return f"{digits}{power_of_ten(int(found[2]))}"

    text = re.sub(r"\b(\d+(?:\.\d+)?)e([+-]?\d+)\b", power, text)
    return re.sub(r"(?<![\w.)-])-(?=\d)", "−", text)


def power_of_ten(exponent: int) -> str:
    """10⁻⁶."""
    return "10" + str(exponent).translate(_SUPERSCRIPT)
