"""Metrics, logs, gauges and health: what operators see."""
