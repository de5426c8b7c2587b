"""What the plots draw, and where."""

from __future__ import annotations

import math
from xml.etree import ElementTree

import pytest

from reco_core.report_page import words
from reco_core.report_page.bars import bar_plot
from reco_core.report_page.curves import Curve, curve_plot, thinned
from reco_core.report_page.intervals import Row, interval_plot
from reco_core.report_page.markup import Markup, tag
from reco_core.report_page.scales import Scale, nice_ticks, whole_ticks
from reco_core.report_page.scatter import Spot, size_plot


def of_class(plot: Markup, name: str) -> list[ElementTree.Element]:
    return [part for part in ElementTree.fromstring(plot).iter() if part.get("class") == name]


def texts(plot: Markup) -> list[str]:
    return [part.text or "" for part in ElementTree.fromstring(plot).iter("text")]


@pytest.mark.parametrize(
    ("low", "high", "wanted", "labels"),
    [
        (0, 0.26, 4, ("0.0", "0.1", "0.2", "0.3")),
        (0, 0.3, 4, ("0.0", "0.1", "0.2", "0.3")),
        (5.9, 6.74, 5, ("5.5", "6.0", "6.5", "7.0")),
        (-0.03, 0.05, 3, ("-0.05", "0.00", "0.05")),
        (0, 768.5, 5, ("0", "200", "400", "600", "800")),
        (0, 0, 3, ("-1", "0", "1")),
        (0, 12_000, 4, ("0", "5,000", "10,000", "15,000")),
    ],
)
def test_ticks_are_round_and_span_the_values(low: float, high: float, wanted: int, labels: tuple[str, ...]) -> None:
    assert nice_ticks(low, high, wanted).labels == labels


@pytest.mark.parametrize("exponent", range(-12, 12))
def test_ticks_span_values_of_any_size(exponent: int) -> None:
    for low, high in ((0.0, 3.7), (1.0, 1.001), (-2.0, 9.99), (4.0, 4.0)):
        found = nice_ticks(low * 10.0**exponent, high * 10.0**exponent)
        assert found.values[0] <= low * 10.0**exponent * (1 + 1e-6)
        assert found.values[-1] >= high * 10.0**exponent * (1 - 1e-6)
        assert 2 <= len(found.values) <= 8
        assert len(set(found.labels)) == len(found.labels)


def test_epochs_have_whole_ticks() -> None:
    assert whole_ticks(1, 1).labels == ("1",)
    assert whole_ticks(1, 2).labels == ("1", "2")
    assert whole_ticks(1, 10).labels == ("2", "4", "6", "8", "10")


def test_a_scale_is_linear_and_one_value_stands_in_the_middle() -> None:
    assert Scale(0, 10, 100, 200)(2.5) == 125
    assert Scale(3, 3, 100, 200)(3) == 150


def test_a_point_stands_within_its_interval_and_in_order() -> None:
    plot = interval_plot([Row("model", 0.2, (0.1, 0.3), main=True), Row("popular", 0.05, (0.04, 0.07))], "HR@10")
    ours, theirs = of_class(plot, "bar main"), of_class(plot, "bar other")
    low, high = float(ours[0].get("x1", 0)), float(ours[0].get("x2", 0))
    diamond = of_class(plot, "point main")[0].get("d", "")
    assert (low + high) / 2 == pytest.approx(float(diamond[1:].split()[0]), abs=0.02)
    circle = of_class(plot, "point other")[0]
    assert float(theirs[0].get("x1", 0)) < float(circle.get("cx", 0)) < float(theirs[0].get("x2", 0)) < low
    assert {"model", "popular", "0.2000", "0.0500"} < set(texts(plot))
    label = ElementTree.fromstring(plot).get("aria-label")
    assert label == "HR@10. model 0.2000, interval 0.1000 to 0.3000; popular 0.0500, interval 0.0400 to 0.0700"


def test_a_figure_without_an_interval_is_a_point_alone() -> None:
    plot = interval_plot([Row("model", 0.2, None, main=True)], "HR@10")
    assert of_class(plot, "bar main") == []
    assert len(of_class(plot, "point main")) == 1


def test_a_curve_goes_down_where_values_fall_and_the_best_epoch_is_marked() -> None:
    plot = curve_plot([Curve("loss", [3.0, 2.0, 1.5])], 2, "Loss")
    marks = [part for part in of_class(plot, "mark c0") if part.get("r")][1:]  # the first is the legend's
    heights = [float(mark.get("cy", 0)) for mark in marks]
    assert heights == sorted(heights)
    assert len(marks) == 3
    line = of_class(plot, "best")[0]
    assert line.get("x1") == line.get("x2") == marks[1].get("cx")


def test_values_that_are_no_numbers_leave_gaps() -> None:
    plot = curve_plot([Curve("loss", [3.0, math.nan, 1.5])], None, "Loss")
    assert len([part for part in of_class(plot, "mark c0") if part.get("r")]) == 3
    assert "nan" not in plot


def test_many_epochs_are_thinned_and_keep_ends_and_best() -> None:
    found = thinned(10_000, 7_777, 400)
    assert {1, 7_777, 10_000} <= set(found)
    assert len(found) <= 402
    assert thinned(5, 3, 100) == [1, 2, 3, 4, 5]
    assert thinned(0, None, 100) == []


def test_a_larger_file_stands_further_right_and_small_differences_stay_small() -> None:
    plot = size_plot([Spot("float32", 700_000, 0.1, False), Spot("float16", 400_000, 0.0999, True)], "NDCG@10")
    circle, diamond = of_class(plot, "point other")[0], of_class(plot, "point main")[0].get("d", "")
    x, y = (float(part.split("l")[0]) for part in diamond[1:].split()[:2])
    assert x < float(circle.get("cx", 0))
    assert abs(y + 6.5 - float(circle.get("cy", 0))) < 5
    assert "size of the file, kB" in texts(plot)


def test_bars_are_as_long_as_their_values() -> None:
    plot = bar_plot([("train", 80.0, "80 s"), ("export", 20.0, "20 s"), ("verify", 0.0, "0 s")], "Time")
    widths = [float(bar.get("width", 0)) for bar in of_class(plot, "fill")]
    assert widths[0] == pytest.approx(4 * widths[1], rel=1e-3)
    assert widths[2] == 1


def test_elements_escape_what_is_no_markup() -> None:
    assert tag("b", "<&>", tag("i", "x"), title='"') == '<b title="&quot;">&lt;&amp;&gt;<i>x</i></b>'
    with pytest.raises(ValueError, match="no number"):
        tag("rect", x=math.inf)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (words.size(459_773), "460 kB"),
        (words.size(999_600), "1.0 MB"),
        (words.size(1_108_254_720), "1.1 GB"),
        (words.size(12), "12 bytes"),
        (words.duration(84.025), "1 min 24 s"),
        (words.duration(59.97), "1 min 0 s"),
        (words.duration(4.956), "5.0 s"),
        (words.duration(0.12), "120 ms"),
        (words.duration(7_260), "2 h 1 min"),
        (words.percent(0.0059), "0.59%"),
        (words.percent(0.2301), "23.0%"),
        (words.figure(137.6066), "137.6"),
        (words.figure(math.nan), "not measured"),
        (words.metric_name("recall@10"), "HR@10"),
        (words.metric_name("mean_rank"), "Mean rank"),
        (words.several(["a", "b", "c"]), "a, b and c"),
        (words.several(["a"]), "a"),
    ],
)
def test_numbers_in_words(said: str, meant: str) -> None:
    assert said == meant
