"""Files that cannot be read at all, and the first reading of their bytes."""

from __future__ import annotations

from gateway.fhir.outcomes import Issue


class Unreadable(ValueError):
    """Nothing of the file can be read. ``issues`` say why, and what to send instead; at least one."""

    def __init__(self, *issues: Issue):
        super().__init__(issues[0].text)
        self.issues: tuple[Issue, ...] = issues


class UnknownFormat(ValueError):
    """No mapping has this name. ``issues`` names those that there are."""

    def __init__(self, *issues: Issue):
        super().__init__(issues[0].text)
        self.issues: tuple[Issue, ...] = issues


def text_of(data: bytes, charset: str = "utf-8") -> str:
    """The text of a file, its byte order mark dropped. NUL bytes and other encodings are refused."""
    if b"\0" in data:
        raise Unreadable(Issue("The file holds NUL bytes: send UTF-8 text.", "structure"))
    try:
        text = data.decode(charset)
    except UnicodeDecodeError as error:
        place = f"byte {error.start + 1}"
        raise Unreadable(Issue(f"The file is not {charset} text from {place} on: send UTF-8.", "structure", place)) from None
    return text.removeprefix("\ufeff")
