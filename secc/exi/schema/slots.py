"""The fields of a message class: one slot per attribute, child element or substitution group of a type."""

from __future__ import annotations

from secc.exi.schema.grammar import Grammars
from secc.exi.schema.names import field_name
from secc.exi.schema.notation import (
    ComplexType,
    Group,
    Item,
    NotationError,
    Particle,
    QName,
    Wildcard,
)
from secc.exi.schema.tables import (
    ITEMS,
    LIST,
    SINGLE,
    FieldSlot,
)

__all__ = ["ordered_content", "slots_of"]


def ordered_content(grammars: Grammars, ct: ComplexType) -> bool:
    """Whether the content must be kept as ordered items: mixed text, wildcards, or a repeated group."""

    def loose(item: Item) -> bool:
        if isinstance(item, Group):
            return item.high > 1 or any(loose(x) for x in item.items)
        return isinstance(item, Wildcard)

    lineage = grammars.lineage(ct)
    return any(t.mixed for t in lineage) or any(loose(g) for g in grammars.content(ct))


def slots_of(grammars: Grammars, ct: ComplexType) -> list[FieldSlot]:
    """The slots of a type in the order in which they are written."""
    slots = [
        FieldSlot(field_name(a.name.local), a.name.local, SINGLE, a.required, ((a.name, a.type),))
        for a in grammars.attributes(ct)
    ]
    simple = grammars.simple_content(ct)
    if simple is not None:
        return [*slots, FieldSlot("value", "value", SINGLE, True, ((QName("value", ""), simple),))]
    if ordered_content(grammars, ct):
        return [*slots, FieldSlot("content", "content", ITEMS, False)]
    for group in grammars.content(ct):
        _group_slots(grammars, group, True, slots)
    names = [s.name for s in slots]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise NotationError(f"{ct.name.local}: two fields would be called {twice}")
    return slots


def _group_slots(grammars: Grammars, group: Group, required: bool, slots: list[FieldSlot]) -> None:
    required = required and group.low > 0 and group.kind == "sequence"
    for item in group.items:
        if isinstance(item, Group):
            _group_slots(grammars, item, required, slots)
        elif isinstance(item, Particle):
            alternatives = tuple(grammars.alternatives(item))
            slots.append(
                FieldSlot(
                    field_name(item.name.local),
                    item.name.local,
                    LIST if item.high > 1 else SINGLE,
                    required and item.low > 0,
                    alternatives,
                    group=len(alternatives) > 1,
                )
            )
