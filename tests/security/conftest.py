"""Fixtures of this folder."""

from tests.support.fixtures import collector_that_gets_everything, no_default_client

__all__ = ["collector_that_gets_everything", "no_default_client"]
