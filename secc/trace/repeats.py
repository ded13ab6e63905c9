"""Messages that repeat each other, as in a charge loop: the first ones are shown, the others counted."""

from __future__ import annotations

__all__ = ["Repeats"]


class Repeats:
    """Counts the last kinds of messages; a new kind after a repetition begins again."""

    def __init__(self, shown: int, kinds: int) -> None:
        """`shown`: how many of each kind do not count as repeated; `kinds`: how many are remembered."""
        self._shown = shown
        self._kinds = kinds
        self._seen: dict[str, int] = {}

    def take(self, kind: str) -> bool:
        """Count one more of a kind; return whether it is a repetition."""
        count = self._seen.pop(kind, 0) + 1
        if count == 1 and any(seen > self._shown for seen in self._seen.values()):
            self._seen.clear()
        self._seen[kind] = count
        if len(self._seen) > self._kinds:
            del self._seen[next(iter(self._seen))]
        return count > self._shown

    def clear(self) -> None:
        """Forget everything."""
        self._seen.clear()
