"""A Claude client says what all its turns have cost so far; each turn is recorded with its own."""

from __future__ import annotations

import pytest
from sentrial.integrations.claude_session import RunningTotal


def test_each_turn_costs_what_the_total_has_grown_by() -> None:
    total = RunningTotal()
    costs = [total.cost_of(told) for told in (0.1, 0.2, 0.35, None, 0.45)]
    assert costs == [0.1, 0.1, 0.15, None, 0.1]


@pytest.mark.parametrize("told", [True, "0.1", None])
def test_what_is_no_amount_is_unknown(told: object) -> None:
    assert RunningTotal().cost_of(told) is None


def test_a_new_process_begins_at_zero() -> None:
    total = RunningTotal()
    assert [total.cost_of(told) for told in (0.5, 0.2, 0.3)] == [0.5, 0.2, 0.1]
