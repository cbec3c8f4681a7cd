"""Metrics: who uses what, now and over time."""
