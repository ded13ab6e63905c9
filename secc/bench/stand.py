"""Commands that control the test stand: control pilot, data link."""

from __future__ import annotations

import asyncio
import shlex

from secc.bench.verdict import Inconclusive

__all__ = ["StationCommand"]

_TIME = 10.0  # s


class StationCommand:
    """Runs a command such as `pilot-box {state}` with the state in place of the braces, and waits for its
    end."""

    def __init__(self, command: str, option: str) -> None:
        """Raises ValueError without a placeholder for the state, or for unbalanced quotes."""
        if "{state}" not in command:
            raise ValueError(f"{option} {command}: {{state}} is missing")
        self._words = shlex.split(command)

    async def __call__(self, state: str) -> None:
        words = [word.replace("{state}", state) for word in self._words]
        try:
            process = await asyncio.create_subprocess_exec(*words, stdin=asyncio.subprocess.DEVNULL)
        except OSError as error:
            raise Inconclusive(f"{words[0]}: {error.strerror}") from error
        try:
            async with asyncio.timeout(_TIME):
                code = await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
            raise Inconclusive(f"{words[0]}: not finished in {_TIME:g} s") from None
        if code:
            raise Inconclusive(f"{words[0]}: exit code {code}")
