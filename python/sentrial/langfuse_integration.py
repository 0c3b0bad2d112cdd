"""Recording in Langfuse as well: the documented module.

It can be imported without Langfuse, which is loaded when the first call is mirrored.
"""

from sentrial.integrations.langfuse import LangfuseIntegration
from sentrial.integrations.langfuse_trace import LangfuseTraceContext

__all__ = ["LangfuseIntegration", "LangfuseTraceContext"]
