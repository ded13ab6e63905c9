"""`secc schema`: import, export and check schemas in the notation of this project."""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path

from secc.cli import misused, refused
from secc.exi.schema import notation, xsd
from secc.exi.schema.notation import NotationError
from secc.exi.schema.numbering import build

EXAMPLES = """examples:
  secc schema import vendor.xsd --output schemas
  secc schema import vendor.xsd --prefix vend > schemas/vendor.toml
  secc schema export schemas --output xsd
  secc schema check schemas
  secc decode --schemas schemas --schema vendor 80...

A directory of schemas has one TOML file for each namespace, and sets.toml, which lists the namespaces of
each grammar.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    taken = actions.add_parser("import", help="convert an XML Schema and its imports to notation")
    taken.add_argument("file", type=Path, help="the .xsd file; it is not copied")
    taken.add_argument(
        "--output",
        type=Path,
        help="directory for the schema and its imports; default: print the schema only",
    )
    taken.add_argument("--set", help="name of the schema set in the directory; default: name of the file")
    taken.add_argument(
        "--prefix", help="prefix of its namespace in other files; default: the one in the file"
    )
    taken.add_argument(
        "--names",
        metavar="PREFIX=NAMESPACE",
        nargs="*",
        default=[],
        help="prefixes of other namespaces; default: those in the file",
    )
    given = actions.add_parser("export", help="convert a directory of schemas to XML Schema files")
    given.add_argument("directory", type=Path)
    given.add_argument("--output", type=Path, help="directory for the .xsd files; default: standard output")
    check = actions.add_parser("check", help="compile every set of a directory and print its content")
    check.add_argument("directory", type=Path)
    check.add_argument("--json", action="store_true", help="as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Import, export or check schemas."""
    actions = {"import": _import, "export": _export, "check": _check}
    try:
        return actions[arguments.action](arguments)
    except NotationError as error:
        return refused(str(error))
    except BrokenPipeError:  # the reader of the output has gone
        raise
    except OSError as error:
        return misused(f"{error.filename}: {error.strerror}")


def _import(arguments: argparse.Namespace) -> int:
    named = {}
    for pair in arguments.names:
        prefix, equals, uri = pair.partition("=")
        if not equals:
            return misused(f"{pair}: expected PREFIX=NAMESPACE")
        named[uri] = prefix
    prefix = arguments.prefix or xsd.own_prefix(arguments.file)
    if arguments.output is not None:
        name = arguments.set or re.sub(r"[^a-z0-9]+", "-", arguments.file.stem.lower()).strip("-")
        return _import_all(arguments.file, prefix, name, arguments.output)
    space, prefixes = xsd.read(arguments.file, prefix)
    print(notation.write(space, {**prefixes, **named}), end="")
    return 0


def _import_all(file: Path, prefix: str, name: str, directory: Path) -> int:
    spaces, prefixes = xsd.read_all(file, prefix)
    members = ", ".join(f'"{space.prefix}"' for space in spaces)
    section = f'[{name}]\nroot = "{prefix}"\nmodule = "{name.replace("-", "_")}"\nnamespaces = [{members}]\n'
    written = {f"{space.prefix}.toml": notation.write(space, prefixes) for space in spaces}
    written["sets.toml"] = section
    directory.mkdir(parents=True, exist_ok=True)
    if there := [directory / file for file in written if (directory / file).exists()]:
        return misused(f"{there[0]} exists already: use another directory")
    for path, text in written.items():
        (directory / path).write_text(text, encoding="utf-8")
        print(directory / path, file=sys.stderr)
    return 0


def _export(arguments: argparse.Namespace) -> int:
    written: dict[str, str] = {}
    for schema in notation.load(arguments.directory).values():
        prefixes = {n.uri: n.prefix for n in schema.namespaces}
        written |= {n.prefix: xsd.write(n, prefixes) for n in schema.namespaces}
    if arguments.output is None:
        print("\n".join(written.values()), end="")
        return 0
    arguments.output.mkdir(parents=True, exist_ok=True)
    for prefix, text in written.items():
        path = arguments.output / f"{prefix}.xsd"
        path.write_text(text, encoding="utf-8")
        print(path, file=sys.stderr)
    return 0


def _check(arguments: argparse.Namespace) -> int:
    rows = []
    for schema in notation.load(arguments.directory).values():
        tables = build(schema)
        rows.append(
            {
                "set": schema.name,
                "namespaces": len(schema.namespaces),
                "messages": len(tables.documents),
                "types": len(tables.types),
                "states": len(tables.states),
                "productions": len(tables.prods),
            }
        )
    if arguments.json:
        print(json.dumps(rows, indent=2))
        return 0
    columns = list(rows[0]) if rows else []
    print("  ".join(f"{name:>11}" for name in columns))
    for row in rows:
        print("  ".join(f"{value!s:>11}" for value in row.values()))
    return 0
