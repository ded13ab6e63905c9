"""The program whose instructions `tools.bench.costs` counts; it runs under callgrind.

A call of `getppid` ends a part of the profile (`--dump-before=getppid`), and `mark` notes the row to which
the part belongs. Only the standard library is imported before the first mark.
"""

import os
import sys

_rows: list[str] = []


def mark(row: str = "") -> None:
    """What has run since the last mark belongs to this row, or to none."""
    os.getppid()
    _rows.append(row)


def main() -> None:
    """Run every row once; print the rows of the parts, in order."""
    mark("interpreter")
    import secc  # noqa: F401

    mark("import secc")
    from tools.bench import station

    station.run(mark)
    print(*_rows, sep="\n")
    sys.stdout.flush()
    os._exit(0)  # the end of the process is no part of any row


if __name__ == "__main__":
    main()
