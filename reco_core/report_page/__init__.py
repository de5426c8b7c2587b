"""`report.html`: what `report.json` and `measurements.json` say, for people. One file, readable without a network.

page        the whole, from the sections below
quality     headline, verdicts, all metrics
comparison  baselines, strata
course      learning curves, times, throughput
files       the exported files: bytes, quality, latency
facts       data, protocol, what the figures don't say, config
curves, intervals, scatter, bars, scales    plots as inline SVG
markup, tables, words, style                elements, tables, numbers in words, the style sheet
"""

from reco_core.report_page.page import render, write

__all__ = ["render", "write"]
