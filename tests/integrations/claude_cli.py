"""What stands in for the program `claude`: it speaks its protocol and says what it is told.

Arguments of the SDK are ignored. The file named by ``CLAUDE_SCRIPT`` holds, as JSON, one list of
messages per turn. ``{"exit": n}`` in the place of a message ends the process, ``{"wait": true}``
waits until the input ends.
"""

import json
import os
import sys
from pathlib import Path


def say(message: dict) -> None:
    """Write one message."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Answer control requests, and each message of the user with the next turn."""
    turns = json.loads(Path(os.environ["CLAUDE_SCRIPT"]).read_text())
    for line in sys.stdin:
        message = json.loads(line)
        if message["type"] == "control_request":
            answer = {"subtype": "success", "request_id": message["request_id"], "response": {}}
            say({"type": "control_response", "response": answer})
        elif message["type"] == "user":
            for item in turns.pop(0):
                if "exit" in item:
                    sys.exit(item["exit"])
                if "wait" in item:
                    sys.stdin.read()
                else:
                    say(item)


main()
