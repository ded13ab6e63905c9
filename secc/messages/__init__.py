"""Messages as immutable typed objects: one module per schema set, generated from ``exi_schemas/``.

Classes bear the schema's names without ``Type`` and underscores; fields are the elements in snake case.
Facets (lengths, ranges) are enforced when a message is encoded or read, not when an object is made.
"""
