"""`secc serve` as a process."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def serving(*arguments: str, security: str = "plain") -> Iterator[tuple[subprocess.Popen[str], int]]:
    """`secc serve` on loopback as a process, and the TCP port it says it has; `security` may be TLS."""
    command = [sys.executable, "-m", "secc", "serve", "-i", "lo", "--sdp-port", "0", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if found := re.search(rf"\[::1\] of lo: .*{security} (\d+)", line):
                yield process, int(found[1])
                break
        else:
            raise AssertionError("secc serve did not start")
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
