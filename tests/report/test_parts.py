"""Pieces of pages on their own."""

import math

import pytest

from trivium.report.parts import logarithmic_ticks


@pytest.mark.parametrize("low", [1e-7, 0.0123, 0.184, 0.95, 1.0, 9.5, 43_714.0])
@pytest.mark.parametrize("ratio", [1.0001, 1.02, 1.3, 2.0, 2.2, 5.0, 30.0, 1e4, 1e30])
def test_a_logarithmic_axis_names_three_numbers_or_more_and_each_but_once(low, ratio):
    ends = math.log10(low), math.log10(low * ratio)
    named = logarithmic_ticks(*ends)
    inside = [
        text
        for tick, text in zip(named["tickvals"], named["ticktext"], strict=True)
        if ends[0] - 1e-12 <= math.log10(tick) <= ends[1] + 1e-12
    ]
    assert 3 <= len(inside) <= 16
    assert len(set(inside)) == len(inside)


def test_an_axis_of_one_number_is_left_to_plotly():
    assert logarithmic_ticks(-0.5, -0.5) == {}
