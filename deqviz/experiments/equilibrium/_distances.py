"""Guarantees of one iterate: a-priori linear rate, a-posteriori error bound, unique limit."""

from deqviz.core.guarantee import Guarantee, quantity


def step_guarantees(
    line: float | None, certified: float | None, distance: float | None, factor: float | None, room: float
) -> tuple[Guarantee, Guarantee]:
    """T7 for every step of a run: a-priori linear rate and a-posteriori error bound."""
    return (_line(line, distance, factor, room), _distance(certified, distance, room))


def _line(line: float | None, distance: float | None, factor: float | None, room: float) -> Guarantee:
    """‖x_k − x*‖ ≤ κᵏ‖x₀ − x*‖ or what stands in for it, for one row."""
    name, statement = "A-priori linear rate", "‖x_k − x*‖ ≤ κᵏ ‖x₀ − x*‖"
    if line is None or distance is None:
        if factor is None or factor >= 1:
            reason = "no κ is known" if factor is None else f"κ ≤ {factor:.4g} is all that is proved"
        else:
            reason = "no factor is proved for this solver"
        return Guarantee("line", name, statement, "hypothesis violated", reason, value=quantity(distance))
    reason = f"κ ≤ {factor:.5g}; of an accelerated solver what its safeguard enforces"
    return _bounded("line", name, statement, reason, line, distance, room)


def _distance(certified: float | None, distance: float | None, room: float) -> Guarantee:
    """‖x_k − x*‖ ≤ E‖T(x_k) − x_k‖, for one row."""
    name, statement = "A-posteriori error bound", "‖x_k − x*‖ ≤ E ‖T(x_k) − x_k‖"
    if certified is None or distance is None:
        reason = "more than one fixed point is possible" if certified is None else "no limit was found"
        return Guarantee("distance", name, statement, "hypothesis violated", reason, value=quantity(distance))
    reason = "holds for every image, however it was found"
    return _bounded("distance", name, statement, reason, certified, distance, room)


def spread_guarantee(bound: float | None, spread: float | None) -> Guarantee:
    """‖x − x′‖ ≤ d + d′ for the ends of two runs with the proved distances d and d′ to the one limit."""
    name, statement = "Unique limit from all starts", "‖x − x′‖ ≤ E (‖T(x) − x‖ + ‖T(x′) − x′‖)"
    if bound is None:
        reason = "more than one fixed point is possible"
        return Guarantee("spread", name, statement, "hypothesis violated", reason, value=quantity(spread))
    reason = "the fixed point is unique, and both distances to it have an a-posteriori bound"
    return Guarantee("spread", name, statement, "certified", reason, quantity(bound), quantity(spread))


def _bounded(
    key: str, name: str, statement: str, reason: str, bound: float, measured: float, room: float
) -> Guarantee:
    """A certified bound of what was measured up to `room`, which is added: the bound itself may be 0."""
    return Guarantee(key, name, statement, "certified", reason, quantity(bound + room), quantity(measured))
