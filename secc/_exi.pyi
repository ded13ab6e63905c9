"""The EXI engine (Rust). Use `secc.exi`."""

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any, final

from secc.exi.schema.raw_tables import Raw

__all__ = ["Codec"]

@final
class Codec:
    def __new__(
        cls,
        schema: str | Raw,
        types: Sequence[type | None],
        enums: Sequence[type[StrEnum]],
        item: type,
        decode_error: type[Exception],
        encode_error: Callable[..., Exception],
        *,
        messages: Sequence[type] = ...,
        lenient_lists: bool = True,
        full_lists: str = "specified",
        lenient_ranges: bool = False,
        empty_values: bool = False,
        max_bytes: int = 65536,
        direct: bool = True,
    ) -> Codec: ...
    def direct_classes(self) -> tuple[int, int]: ...
    def decode_message(self, data: bytes) -> Any: ...
    def encode_message(self, message: object, *, element: str | None = None) -> bytes: ...
    def root_name(self, message: object) -> str: ...
    def decode(self, data: bytes) -> tuple[Any, str, int]: ...
    def decode_fragment(self, data: bytes) -> tuple[Any, str, int]: ...
    def encode(self, name: str, value: object) -> bytes: ...
    def encode_fragment(self, name: str, value: object) -> bytes: ...
    def roots_of(self, class_: type, /) -> list[str]: ...
    def explain(
        self, data: bytes, fragment: bool
    ) -> tuple[
        list[tuple[int, int, str, tuple[int, int] | None, str, str, int | None]],
        tuple[str, int, str, str] | None,
    ]: ...
    def layout(
        self,
    ) -> tuple[
        list[tuple[str, bool, list[tuple[str, list[tuple[str, bool, int]]]]]],
        list[tuple[str, int]],
    ]: ...
    def namespaces(self) -> list[list[list[tuple[str, bool]]]]: ...
    def families(self) -> list[tuple[str, int | None]]: ...
    def root_namespaces(self) -> tuple[list[str], list[str]]: ...
    def roots(self) -> tuple[list[tuple[str, bool, int]], list[tuple[str, bool, int]]]: ...
