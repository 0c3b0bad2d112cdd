"""CrewAI: `SentrialCrewHandler` for a crew, `@track_crew` for a function that runs one."""

from sentrial.client import SentrialClient
from sentrial.integrations.crewai import CREWAI_VERSION, SentrialCrewHandler
from sentrial.integrations.crewai_function import track_crew
from sentrial.pricing import MODEL_PRICING, calculate_cost

__all__ = [
    "CREWAI_VERSION",
    "MODEL_PRICING",
    "SentrialClient",
    "SentrialCrewHandler",
    "calculate_cost",
    "track_crew",
]
