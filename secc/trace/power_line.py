"""The frames on the power line before a session, without their keys, as a chart."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator

from secc.errors import FramingError
from secc.slac import messages as m
from secc.slac import vendor
from secc.slac.attenuation import mean
from secc.slac.frames import LOCAL_MODEM, Deviation, Frame, OtherMessage, decode
from secc.slac.messages import Message

__all__ = ["MANY", "TracedFrame", "chart", "frame_line", "kind_of", "name_of", "remark_of"]


@dataclasses.dataclass(frozen=True, slots=True)
class TracedFrame:
    """A frame, or what the station did with its control pilot or its link."""

    at: float
    """Seconds; of the trace, or of the capture."""
    sent: bool
    """By the station."""
    data: bytes = b""
    """As on the wire, without its key; empty for something that was done."""
    done: str = ""


def chart(frames: Iterable[TracedFrame], *, began: float) -> str:
    """Lines of text: EV, station, modem; sounds and polls folded."""
    head = f"{'seconds':>9}  EV {' ' * 32} station {' ' * 24} modem, pilot"
    return "\n".join([head, *_folded(list(frames), began)])


def _folded(frames: list[TracedFrame], began: float) -> Iterator[str]:
    """Runs of the same kinds in a row become one line with their number."""
    at = 0
    while at < len(frames):
        length = 1
        kinds = {kind_of(frames[at])}
        if kinds <= MANY:
            while at + length < len(frames) and kind_of(frames[at + length]) in MANY:
                length += 1
        if length > _LEAST:
            counts = [kind_of(frame) for frame in frames[at : at + length]]
            words = ", ".join(f"{counts.count(kind)} {kind}" for kind in dict.fromkeys(counts))
            yield f"{frames[at].at - began:9.3f}  {words}"
        else:
            yield from (f"{one.at - began:9.3f}  {frame_line(one)}" for one in frames[at : at + length])
        at += length


_LEAST = 3
MANY = {
    "CM_START_ATTEN_CHAR.IND",
    "CM_MNBC_SOUND.IND",
    "CM_ATTEN_PROFILE.IND",
    "VS_PL_LINK_STATUS.REQ",
    "VS_PL_LINK_STATUS.CNF",
    "NSCM_GET_D_LINK_STATUS.REQ",
    "NSCM_GET_D_LINK_STATUS.CNF",
}
"""Kinds of frames that come in great numbers."""


def kind_of(frame: TracedFrame) -> str:
    """CM_SLAC_PARM.REQ, and so on; empty for what cannot be read, or was done."""
    found = _read(frame.data)
    return "" if found is None else name_of(found.message)


def _read(data: bytes) -> Frame | None:
    try:
        return decode(data, tuple(Deviation)) if data else None
    except FramingError:
        return None


def frame_line(frame: TracedFrame) -> str:
    """An arrow with the name of the frame, or what was done."""
    if frame.done:
        return f"{' ' * 38}{frame.done}"
    found = _read(frame.data)
    if found is None:
        return f"what cannot be read, {len(frame.data)} bytes"
    name, remark = name_of(found.message), remark_of(found.message)
    of_modem = found.destination == LOCAL_MODEM or isinstance(found.message, _OF_MODEM)
    if of_modem:
        arrow = f"───── {name} ─────▶" if frame.sent else f"◀───── {name} ─────"
        return f"{' ' * 38}{arrow}  {remark}".rstrip()
    if frame.sent:
        return f"   ◀{'─' * max(1, 31 - len(name))} {name}  {remark}".rstrip()
    return f"{name} {'─' * max(1, 34 - len(name))}▶  {found.source.hex(':')} {remark}".rstrip()


_OF_MODEM = (m.SetKeyCnf, m.AttenProfileInd, vendor.VendorMessage)


def name_of(message: Message) -> str:
    """CM_SLAC_PARM.REQ, and so on."""
    if isinstance(message, OtherMessage):
        return f"message {message.mmtype:#06x}"
    words = re.findall(r"[A-Z][a-z]*", type(message).__name__)
    known = _VENDOR.get(type(message))
    name = known if known is not None else "CM_" + "_".join(words[:-1]).upper()
    return f"{name}.{words[-1].upper()}"


_VENDOR: dict[type[Message], str] = {
    vendor.LinkStatusReq: "VS_PL_LINK_STATUS",
    vendor.LinkStatusCnf: "VS_PL_LINK_STATUS",
    vendor.SoftwareVersionReq: "VS_SW_VER",
    vendor.SoftwareVersionCnf: "VS_SW_VER",
    vendor.OperationAttributesReq: "VS_OP_ATTR",
    vendor.OperationAttributesCnf: "VS_OP_ATTR",
    vendor.RestartReq: "VS_RS_DEV",
    vendor.NetworkInfoReq: "VS_NW_INFO",
    vendor.NetworkInfoCnf: "VS_NW_INFO",
    vendor.LumissilResetReq: "NSCM_RESET",
    vendor.LumissilVersionReq: "NSCM_GET_VERSION",
    vendor.LumissilVersionCnf: "NSCM_GET_VERSION",
    vendor.LumissilLinkReq: "NSCM_GET_D_LINK_STATUS",
    vendor.LumissilLinkCnf: "NSCM_GET_D_LINK_STATUS",
}


def remark_of(message: Message) -> str:
    """What a reader wants to see of it at a glance."""
    match message:
        case m.SlacParmReq(run_id=run):
            return f"run {run.hex()}"
        case m.AttenCharInd(sounds=sounds, profile=profile, groups=groups):
            return f"{sounds} sounds, {mean(profile[:groups]):.1f} dB"
        case m.AttenProfileInd(profile=profile):
            return f"{mean(profile):.1f} dB"
        case m.SlacMatchCnf(nid=nid) | m.SetKeyReq(nid=nid):
            return f"network {nid.hex()}"
        case m.SetKeyCnf(result=result) | m.AmpMapCnf(result=result) | m.ValidateReq(result=result):
            return f"result {result}"
        case m.ValidateCnf(toggles=toggles, result=result):
            return f"result {result}, {toggles} toggles"
        case vendor.LinkStatusCnf(link=link) | vendor.LumissilLinkCnf(link=link):
            return "link" if link == 1 else "no link"
        case vendor.SoftwareVersionCnf():
            return message.text
    return ""
