"""What a referral event (REF) says: a Flag of the person, under the number of the referral where it has one."""

from __future__ import annotations

from typing import Final

from gateway.mapping import people
from gateway.mapping.formats import Format
from gateway.mapping.stays import Change, Source, put, taken_back
from gateway.mapping.values import Work


def referral_key(source: Source, key: str) -> str:
    """The key of a referral: RF1-6, else RF1-11, else the person's."""
    named = [source["RF1"].text(number) for number in (6, 11)] if "RF1" in source else []
    number = next((one for one in named if isinstance(one, str)), "")
    return f"{key}/referral/{people.segment(number)}" if number else f"{key}/referral"


def refer(fmt: Format, source: Source, key: str, work: Work) -> None:
    """I12, I13: referred, until the referral is rejected or expires. Without RF1 there is a person, and no referral."""
    if "RF1" in source:
        status = source["RF1"].text(1)
        over = isinstance(status, str) and status.upper() in ("R", "E")
        put(fmt.maps["referral-ended" if over else "referred"], source, referral_key(source, key), work)


def cancel_referral(fmt: Format, source: Source, key: str, work: Work) -> None:
    """I14: the referral was recorded in error."""
    work.resources.append(taken_back(fmt.maps["referred"], source, referral_key(source, key), work))


REFERRALS: Final[dict[str, Change | None]] = {"I12": refer, "I13": refer, "I14": cancel_referral}
