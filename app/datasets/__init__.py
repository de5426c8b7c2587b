"""Datasets: upload, list, report."""
