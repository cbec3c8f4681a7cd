"""Prometheus: its HTTP API, PromQL texts, and the points of a range."""
