"""AutoGen: `SentrialAutogenHandler` for teams of agents."""

from sentrial.client import SentrialClient
from sentrial.integrations.autogen import AUTOGEN_VERSION, SentrialAutogenHandler
from sentrial.pricing import MODEL_PRICING, calculate_cost

__all__ = [
    "AUTOGEN_VERSION",
    "MODEL_PRICING",
    "SentrialAutogenHandler",
    "SentrialClient",
    "calculate_cost",
]
