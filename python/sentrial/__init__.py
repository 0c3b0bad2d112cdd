"""Telemetry for AI agents."""
