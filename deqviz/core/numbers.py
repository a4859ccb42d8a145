"""Numbers for people, in the one style of all pages and messages."""

import math


def number(value: float) -> str:
    """Three significant digits, or two and a power of ten: 0.812, 15.8, 4.1·10⁻⁶."""
    if not math.isfinite(value):
        return "∞" if value > 0 else "−∞" if value < 0 else "not a number"
    if value == 0:
        return "0"
    exponent = math.floor(math.log10(abs(value)))
    if -3 <= exponent < 5:
        return f"{value:.{max(0, 2 - exponent)}f}".replace("-", "−")
    digits = str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{value / 10.0**exponent:.1f}·10{digits}".replace("-", "−")
