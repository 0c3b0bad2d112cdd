"""Handlers for agent frameworks, one file per framework on the base in `base`.

The documented names stand in `sentrial.langchain`, `sentrial.crewai` and so on.
"""
