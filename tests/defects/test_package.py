"""D1 (I1): the package works on a bare install."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.support.sdk import KEY

if TYPE_CHECKING:
    from tests.conftest import RunPython
    from tests.support.collector import Collector

BARE = """
    import json, sys

    class Bare:
        # What 0.6.0 needed, and every framework it integrates with.
        absent = {
            "httpx", "requests", "urllib3", "openai", "anthropic", "google", "langchain",
            "langchain_core", "autogen", "crewai", "langfuse", "opentelemetry",
            "claude_agent_sdk", "pydantic", "numpy",
        }

        def find_spec(self, name, path=None, target=None):
            if name.partition(".")[0] in self.absent:
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    sys.meta_path.insert(0, Bare())
    import sentrial

    sentrial.configure(api_key=KEY, api_url=URL)
    with sentrial.begin(user_id="u", event="agent", input="q") as interaction:
        interaction.track_tool_call("t", {}, {})
    session = sentrial.SentrialClient(URL, KEY).create_session("n")
    sentrial.flush()
    print(json.dumps(session))
"""


def test_d1_import_and_use_without_any_third_party_package(
    collector: Collector, run_python: RunPython
) -> None:
    code = BARE.replace("KEY", repr(KEY)).replace("URL", repr(collector.url))
    done = run_python(code, options=("-W", "error")).ok()
    assert json.loads(done.stdout) == "sess_anonymous_n_1"
    assert len(collector.requests()) == 4
