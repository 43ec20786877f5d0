"""HTTP Live Streaming playlists, RFC 8216."""

from collections.abc import Sequence
from fractions import Fraction
from math import ceil

MEDIA_TYPE = "application/vnd.apple.mpegurl"
HEAD = "#EXTM3U"
NOTE = "# orrery "
PROXY = "proxy"
"""The note of a small film's playlist, and in that of the whole before the address of it."""


def playlist(
    init: str, segments: Sequence[tuple[str, Fraction]], longest_s: Fraction, *, ended: bool
) -> str:
    """A playlist of type EVENT: players start at once and look again for what was added.

    Args:
        init: Where the initialisation section is.
        segments: Where each segment is, and its seconds.
        longest_s: Bound of any segment, also of those to come: it may not change later.
        ended: Whether nothing will be added.
    """
    lines = [
        HEAD,
        "#EXT-X-VERSION:7",
        f"#EXT-X-TARGETDURATION:{max(1, ceil(longest_s))}",
        "#EXT-X-MEDIA-SEQUENCE:0",
        "#EXT-X-PLAYLIST-TYPE:EVENT",
        "#EXT-X-INDEPENDENT-SEGMENTS",
        f'#EXT-X-MAP:URI="{init}"',
    ]
    for place, seconds in segments:
        lines += [f"#EXTINF:{float(seconds):.6f},", place]
    if ended:
        lines.append("#EXT-X-ENDLIST")
    return "\n".join(lines) + "\n"


def noted(text: str, note: str) -> str:
    """A playlist with a note, which players take for a comment."""
    return text.replace(HEAD, f"{HEAD}\n{NOTE}{note}", 1) if note else text


def note_in(text: str) -> str:
    """The note of a playlist; empty where there is none."""
    second = text.split("\n", 2)[1] if text.startswith(HEAD + "\n") else ""
    return second.removeprefix(NOTE) if second.startswith(NOTE) else ""
