"""Response codes: which message carries which code for which cause, read from the handlers of the session."""

from __future__ import annotations

import ast
import functools
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import secc.session.iso2.handlers.contract
from secc.errors import SignatureError
from secc.messages import din, iso2
from secc.pki import rules
from secc.pki.provisioning import REFUSAL_CODES, Refusal
from secc.session import ending
from secc.session.dialect import Dialect, Handler
from secc.session.din.table import DIN
from secc.session.iso2.table import ISO2
from secc.session.refusals import Cause
from tools.docs import codes20

_ROOMS = ("secc.session.iso2.handlers", "secc.session.din")
_SHARED = frozenset(
    f"secc.session.{name}"
    for name in (
        *("contactor", "contract", "ending", "grant", "isolation", "loop", "offering", "parameters"),
        *("pre_charge", "profile", "starting", "values", "welding"),
    )
)
_RAISED = ("Refused", "Iso2Refused", "DinRefused")
_DIN = (
    "The same rules where the session does the same; codes that only DIN has, or that it names differently."
)
INTRODUCTION = Path(__file__).with_suffix(".md")


class CodeRow(NamedTuple):
    """One reason for a refusal."""

    code: str
    text: str
    where: str


def page() -> str:
    """docs/reference/response-codes.md."""
    parts = [INTRODUCTION.read_text(encoding="utf-8").strip(), "## By message"]
    used: set[str] = set()
    for request, response in iso2.PAIRS.items():
        causes = sorted(set(_causes_of(ISO2, request)))
        used |= {cause.code for cause in causes}
        parts += [f"### {response.__name__}", _table(causes)]
    parts += ["## By message of DIN SPEC 70121", _DIN]
    for request, response in din.PAIRS.items():
        if causes := sorted(set(_causes_of(DIN, request))):
            parts += [f"### {response.__name__} in DIN", _table(causes)]
    parts += ["## Rules of certificates", _rules_text(), _rules_table()]
    parts += ["## No certificate for the car", _provisioning_table()]
    used |= {str(_code(rule, request)) for rule in rules.Rule for request in rules.Request}
    used |= {"FAILED_UnknownSession", "FAILED_SequenceError", *REFUSAL_CODES.values()}
    used |= {str(SignatureError.response_code)}
    unused = [c.value for c in iso2.ResponseCode if c.value.startswith("FAILED") and c.value not in used]
    if unused:
        parts += ["## Codes that this station does not send", ", ".join(unused) + "."]
    parts.append(codes20.section())
    return "\n\n".join(parts) + "\n"


def _table(causes: list[CodeRow]) -> str:
    if not causes:
        return "Only the codes of every response."
    lines = ["| code | cause | where |", "| --- | --- | --- |"]
    lines += [f"| {cause.code} | {cause.text} | `{cause.where}` |" for cause in causes]
    return "\n".join(lines)


def _rules_text() -> str:
    return (
        "Where the table above says *a rule of certificates*, the rule that was broken decides, see "
        "`secc.pki.rules`; the code depends on the request. Rules that are not listed are "
        "FAILED_CertChainError, or FAILED_SignatureError where a signature in the message is meant."
    )


def _rules_table() -> str:
    lines = ["| rule | " + " | ".join(request.value for request in rules.Request) + " |"]
    lines.append("| --- " * (len(rules.Request) + 1) + "|")
    for rule in rules.Rule:
        codes = [str(_code(rule, request)) for request in rules.Request]
        if set(codes) != {"FAILED_CertChainError"}:
            lines.append(f"| `{rule.value}` | " + " | ".join(codes) + " |")
    return "\n".join(lines)


def _provisioning_table() -> str:
    lines = ["| reason | code |", "| --- | --- |"]
    for reason in Refusal:
        code = REFUSAL_CODES.get(reason, "FAILED_NoCertificateAvailable")
        lines.append(f"| {reason.value} | {code} |")
    return "\n".join(lines)


def _code(rule: rules.Rule, request: rules.Request) -> iso2.ResponseCode:
    return rules.response_code(rule, request)


# --- from the table to the handlers -----------------------------------------------------------------------


def _causes_of(dialect: Dialect, request: type) -> Iterator[CodeRow]:
    for handler in _handlers(dialect, request):
        yield from _reached(dialect, handler.__module__, handler.__name__, frozenset())


def _handlers(dialect: Dialect, request: type) -> list[Handler]:
    """Of the rows of a request, and of the states that owe its answer."""
    rows = (*dialect.rules, *dialect.beside)
    found = [rule.handler for rule in rows if rule.input is request]
    owing = {s for rule in rows if rule.input is request for s in rule.leads_to if not s.waits_for_ev}
    found += [rule.handler for rule in rows if rule.state in owing - {dialect.end}]
    return list(dict.fromkeys(found))


def _reached(dialect: Dialect, module: str, name: str, seen: frozenset[str]) -> Iterator[CodeRow]:
    """Refusals in a function and in all functions of this project that it calls."""
    function = _functions(module).get(name)
    where = f"{module.rpartition('.')[2]}.{name}"
    if function is None or where in seen or not (module.startswith(_ROOMS) or module in _SHARED):
        return
    for node in ast.walk(function):
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Name) and node.func.id in _RAISED:
            yield from _refusal(dialect, node, where, _assigned(function, node.args[1]))
            continue
        target = _target(module, node.func)
        helper = None if target is None else _helper_code(dialect, *target)
        text = max((_text(argument) for argument in node.args), key=len, default="")
        if not text and any(isinstance(argument, ast.Call) for argument in node.args):
            text = _WRONG_UNIT  # of the exception that is handed on
        if target == (ending.__name__, "check_budget"):
            yield CodeRow("FAILED", f"{_timer(node)}: its time is used up \\[V2G2-713]", where)
        elif helper is not None and text:
            yield CodeRow(helper, text, where)
        elif target == (secc.session.iso2.handlers.contract.__name__, "refused"):
            yield CodeRow(_last_code(dialect, node) or "by the rule", "a rule of certificates", where)
        elif target is not None:
            yield from _reached(dialect, *target, seen | {where})


_WRONG_UNIT = "a value in a wrong unit"


def _assigned(function: ast.FunctionDef, node: ast.expr) -> ast.expr:
    """The value that a name got last in the function."""
    if isinstance(node, ast.Name):
        for inner in ast.walk(function):
            if isinstance(inner, ast.Assign) and any(
                isinstance(target, ast.Name) and target.id == node.id for target in inner.targets
            ):
                return inner.value
    return node


def _refusal(dialect: Dialect, node: ast.Call, where: str, reason: ast.expr) -> Iterator[CodeRow]:
    code, text = _literal(dialect, node.args[0]), _text(reason)
    if code is not None:
        yield CodeRow(code, text or _WRONG_UNIT, where)
    elif _by_reason(where):
        yield CodeRow("by the reason", "no certificate for the car, see below", where)


def _by_reason(where: str) -> bool:
    """Its codes follow from the reason that the back end gives."""
    return where.startswith("provisioning.")


def _helper_code(dialect: Dialect, module: str, name: str) -> str | None:
    """The code of a function that only makes a refusal from its argument."""
    function = _functions(module).get(name)
    returned = None if function is None else function.body[-1]
    if not isinstance(returned, ast.Return) or not isinstance(returned.value, ast.Call):
        return None
    call = returned.value
    if not isinstance(call.func, ast.Name) or call.func.id not in _RAISED:
        return None
    return _literal(dialect, call.args[0]) or _last_code(dialect, function)


def _last_code(dialect: Dialect, node: ast.AST | None) -> str | None:
    codes = [] if node is None else [_literal(dialect, inner) for inner in ast.walk(node)]
    return next((code for code in codes if code), None)


def _literal(dialect: Dialect, node: ast.AST) -> str | None:
    """A response code, or a cause for which the protocol has one."""
    if not isinstance(node, ast.Attribute) or not isinstance(node.value, ast.Name):
        return None
    if node.value.id == "Cause":
        return dialect.codes[Cause[node.attr]].value
    return _CODES[node.attr] if node.value.id == "ResponseCode" else None


_CODES: dict[str, str] = {code.name: code.value for code in (*din.ResponseCode, *iso2.ResponseCode)}


def _text(node: ast.AST) -> str:
    """A text of the code as a reader sees it: what is filled in is an ellipsis."""
    match node:
        case ast.Constant(value=str(value)):
            text = value
        case ast.JoinedStr(values=values):
            text = "".join(str(v.value) if isinstance(v, ast.Constant) else "…" for v in values)
        case ast.Attribute(attr=name):
            text = name.lower().replace("_", " ")
        case _:
            return ""
    return re.sub(r"\[(?=[A-Z0-9]+-[A-Z0-9-]*\d+\])", r"\\[", text.replace("|", r"\|"))


def _timer(node: ast.Call) -> str:
    argument = node.args[1]
    return f"`timing.{argument.attr.lower()}`" if isinstance(argument, ast.Attribute) else "a timer"


def _target(module: str, called: ast.expr) -> tuple[str, str] | None:
    """The function of this project behind a call, by the imports of the module."""
    names = vars(sys.modules[module])
    match called:
        case ast.Name(id=name):
            value = names.get(name)
        case ast.Attribute(value=ast.Name(id=owner), attr=name):
            value = getattr(names.get(owner), name, None) if inspect.ismodule(names.get(owner)) else None
        case _:
            return None
    return (value.__module__, value.__name__) if inspect.isfunction(value) else None


@functools.cache
def _functions(module: str) -> dict[str, ast.FunctionDef]:
    tree = ast.parse(inspect.getsource(sys.modules[module]))
    return {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
