"""What the tests share: a scriptable collector, the local server, subprocesses with a deadline."""
