"""Dynamic profiles whose values the station asks for at an interval: PullDynamicScheduleUpdate (2.1, K28)."""

from __future__ import annotations

from collections.abc import Callable

from secc.ocpp.background import BackgroundTasks
from secc.ocpp.conversation import CsmsConversation
from secc.ocpp.limits import ChargingLimits
from secc.ocpp.model import Payload
from secc.ocpp.profile_model import ChargingProfile, ProfileKind
from secc.ocpp.profiles import ProfileRefusal
from secc.settings.ocpp import OcppVersion


class DynamicPulls:
    """Asks for one station; a profile without an interval is updated by the CSMS alone."""

    def __init__(
        self,
        conversation: CsmsConversation,
        limits: ChargingLimits,
        background: BackgroundTasks,
        *,
        apply: Callable[[int, Payload], ProfileRefusal | None],
        report: Callable[[str], None],
    ) -> None:
        """`apply` changes a profile by ChargingScheduleUpdateType."""
        self._conversation = conversation
        self._limits = limits
        self._background = background
        self._apply = apply
        self._report = report
        self._asked_at: dict[int, float] = {}

    def observe(self) -> None:
        """Ask for the profiles that are due; call it periodically."""
        conversation = self._conversation
        if not conversation.online or conversation.dialect.version is not OcppVersion.V21:
            return
        now = conversation.now
        pulled = {one.id: one for one in self._limits.profiles if _interval(one)}
        self._asked_at = {id_: at for id_, at in self._asked_at.items() if id_ in pulled}
        for id_, profile in pulled.items():
            if now - self._asked_at.setdefault(id_, profile.updated_at or now) >= _interval(profile):
                self._asked_at[id_] = now
                self._background.spawn(self._pull(id_))

    async def _pull(self, id_: int) -> None:
        request = ("PullDynamicScheduleUpdate", {"chargingProfileId": id_})
        answer = await self._conversation.ask_or_report(request)
        if answer is None or answer["status"] != "Accepted" or "scheduleUpdate" not in answer:
            return
        problem = self._apply(id_, answer["scheduleUpdate"])
        if problem is not None:
            self._report(f"PullDynamicScheduleUpdate: {problem.text}")


def _interval(profile: ChargingProfile) -> float:
    """Return the seconds between two questions; 0: none."""
    if profile.kind is not ProfileKind.DYNAMIC or profile.received is None:
        return 0.0
    return max(0.0, float(profile.received.get("dynUpdateInterval", 0)))
