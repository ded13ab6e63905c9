"""Decode a message of an EV, look into it, change it, encode it again, and read it as JSON.

The bytes are a CurrentDemandReq as an EV sent it: the EXI document without the V2GTP header.
"""

import msgspec

from secc import DecodeError, exi
from secc.messages.iso2 import CurrentDemandReq, V2GMessage

SENT = bytes.fromhex("809802270961fd3fbe4e0a90d1000f01860021006101f4020414300f800030819006102802080640")


def main() -> None:
    message = exi.ISO2.decode(SENT)
    match message:
        case V2GMessage(body=CurrentDemandReq() as request):
            target = request.ev_target_current
            print(f"the EV wants {target.value * 10**target.multiplier:g} {target.unit.value}")
            print(f"its battery is at {request.dc_ev_status.ev_ress_soc} %")
        case _:
            raise SystemExit("not a CurrentDemandReq")

    assert exi.ISO2.encode(message) == SENT, "encoding gives the same bytes again"

    wish = msgspec.structs.replace(request, ev_target_current=msgspec.structs.replace(target, value=20))
    changed = msgspec.structs.replace(message, body=wish)
    print("with 20 A it would be", exi.ISO2.encode(changed).hex())

    print(exi.ISO2.to_json(message, indent=2))

    try:
        exi.ISO2.decode(SENT[:20])
    except DecodeError as error:
        print("half of it is refused:", error)


if __name__ == "__main__":
    main()
