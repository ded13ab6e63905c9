"""Blocks C and D: the local list and the cache of tokens."""

from __future__ import annotations

from secc.ocpp import v201
from secc.ocpp.commands import Commands
from secc.ocpp.model import ListEntry, Payload


def send_list(commands: Commands, body: Payload) -> Payload:
    """Replace or update the local list (D01)."""
    entries = [
        ListEntry(
            v201.read_id_token(one["idToken"]),
            v201.read_token_info(one["idTokenInfo"]) if "idTokenInfo" in one else None,
        )
        for one in body.get("localAuthorizationList", [])
    ]
    full = body["updateType"] == "Full"
    return {"status": commands.lists.send(body["versionNumber"], entries, full=full)}


def list_version(commands: Commands, body: Payload) -> Payload:
    """Return the version of the local list (D02)."""
    return {"versionNumber": commands.lists.version}


def clear_cache(commands: Commands, body: Payload) -> Payload:
    """Delete the cached answers about tokens (C11)."""
    return {"status": commands.lists.clear_cache()}
