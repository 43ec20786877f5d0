"""Segments of separate encoders are one clip."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from models.core.errors import InvalidInput
from models.media.canvas import Band, Canvas
from models.media.codecs import choose_encoder, opens
from models.media.facts import read_back
from models.media.formats import CONTAINERS, CodecName
from models.media.join import join
from models.media.light import PEAK_NITS, nits_of, pq
from models.media.playlist import note_in, noted, playlist
from models.media.reel import Reel, Shot, cuts
from models.media.size import Size
from models.media.stills import poster, sprite_sheet

SIZE = Size(128, 96)
RATE = Fraction(8)
FRAMES = 12


def paint(number: int) -> Iterator[Band]:
    """A gradient that moves, in bands of 32 rows."""
    y, x = np.mgrid[0 : SIZE.height, 0 : SIZE.width]
    whole = np.stack([(2 * x + 5 * number) % 256, 2 * y, np.full_like(x, 9 * number)], -1)
    yield from np.split(whole.astype(np.uint8), 3)


def shot(codec: CodecName = "h264", frames: int = FRAMES) -> Shot:
    return Shot(choose_encoder(codec, SIZE), SIZE, SIZE, RATE, frames)


def filmed(folder: Path, codec: CodecName = "h264") -> Reel:
    reel = Reel(folder, shot(codec))
    list(reel.shoot(paint))
    return reel


def test_the_first_segment_is_one_frame_and_later_ones_last_a_second() -> None:
    assert cuts(80, Fraction(24)) == (0, 1, 3, 7, 15, 31, 55, 79, 80)
    assert cuts(1, Fraction(24)) == (0, 1)


def test_encoders_take_over_from_each_other_within_a_segment(tmp_path: Path) -> None:
    usual = shot()
    bounded = replace(usual, encoder=replace(usual.encoder, frames_each=3))
    reels = [Reel(tmp_path / str(number), one) for number, one in enumerate((usual, bounded))]
    keys = []
    for number, reel in enumerate(reels):
        list(reel.shoot(paint))
        target = tmp_path / f"{number}.mp4"
        join(reel.chunks(), target, "mp4", RATE)
        assert read_back(target, RATE).is_gapless
        with av.open(str(target)) as file:
            packets = [packet for packet in file.demux(video=0) if packet.size]
            keys.append([index for index, packet in enumerate(packets) if packet.is_keyframe])

    assert reels[0].init.read_bytes() == reels[1].init.read_bytes()
    assert keys == [[0, 1, 3, 7], [0, 1, 3, 6, 7, 10]]


@pytest.mark.parametrize(("codec", "most"), [("hevc", 3), ("av1", 6), ("h264", 0)])
def test_encoders_that_keep_frames_are_replaced_at_8k(codec: CodecName, most: int) -> None:
    assert choose_encoder(codec, Size(7680, 4320)).frames_each == most
    assert choose_encoder(codec, Size(1920, 1080)).frames_each == 0


@pytest.mark.parametrize("codec", ["h264", "vp9", "prores"])
def test_every_frame_of_every_codec_is_read_back_in_its_place(
    codec: CodecName, tmp_path: Path
) -> None:
    reel = filmed(tmp_path / "reel", codec)
    for container in CONTAINERS[codec]:
        target = tmp_path / f"clip.{container}"
        join(reel.chunks(), target, container, RATE)
        facts = read_back(target, RATE)

        assert len(facts.times) == FRAMES
        assert facts.is_gapless
        assert (facts.size, facts.transfer, facts.primaries) == (SIZE, 1, 1)


def test_pictures_survive_encoding(tmp_path: Path) -> None:
    target = tmp_path / "clip.mp4"
    join(filmed(tmp_path / "reel").chunks(), target, "mp4", RATE)
    truth = np.concatenate(list(paint(7))).astype(float)
    with av.open(str(target)) as file:
        seen = list(file.decode(video=0))[7].to_ndarray(format="rgb24").astype(float)

    # Seams of the sawtooth lose chroma; most of the picture is near.
    assert np.median(np.abs(seen - truth)) < 6


def test_an_mp4_starts_with_its_index(tmp_path: Path) -> None:
    target = tmp_path / "clip.mp4"
    join(filmed(tmp_path / "reel").chunks(), target, "mp4", RATE)
    data = target.read_bytes()

    assert data.index(b"moov") < data.index(b"mdat")


def test_a_clip_goes_on_behind_its_last_closed_segment_and_ends_the_same(tmp_path: Path) -> None:
    whole = filmed(tmp_path / "whole")
    painted: list[int] = []

    def dies_at_5(number: int) -> Iterator[Band]:
        if number == 5:
            raise KeyboardInterrupt
        return paint(number)

    def counted(number: int) -> Iterator[Band]:
        painted.append(number)
        return paint(number)

    with pytest.raises(KeyboardInterrupt):
        list(Reel(tmp_path / "cut", shot()).shoot(dies_at_5))
    resumed = Reel(tmp_path / "cut", shot())
    kept = resumed.frames_closed
    list(resumed.shoot(counted))

    assert kept == 3
    assert painted == list(range(3, FRAMES))
    assert b"".join(resumed.chunks()) == b"".join(whole.chunks())


def test_a_half_written_segment_is_not_taken_for_a_whole_one(tmp_path: Path) -> None:
    reel = filmed(tmp_path / "reel")
    (tmp_path / "reel" / "tmpabc").write_bytes(b"half")
    reel.segment(2).unlink()

    assert Reel(tmp_path / "reel", shot()).closed == 2


def test_a_playlist_lists_what_is_closed_and_ends_with_the_clip(tmp_path: Path) -> None:
    reel = filmed(tmp_path / "reel")
    text = reel.playlist("init.mp4", ["0.m4s", "1.m4s"])

    assert "#EXT-X-PLAYLIST-TYPE:EVENT" in text
    assert "#EXTINF:0.125000,\n0.m4s\n#EXTINF:0.250000,\n1.m4s\n" in text
    assert "ENDLIST" not in text
    assert reel.playlist("i", ["s"] * reel.closed).endswith("#EXT-X-ENDLIST\n")


def test_what_is_closed_plays_while_the_rest_is_missing(tmp_path: Path) -> None:
    reel = Reel(tmp_path / "reel", shot())
    next(iter(reel.shoot(paint)))
    part = tmp_path / "part.mp4"
    part.write_bytes(b"".join(reel.chunks()))

    assert read_back(part, RATE).times == (0,)


def test_bands_leave_no_seam() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8)
    canvas = Canvas(SIZE, SIZE, "yuv420p")
    digests = {
        hashlib.sha256(canvas.frame(bands, 0, RATE).to_ndarray().tobytes()).hexdigest()
        for bands in ([noise], np.split(noise, 6), np.split(noise.astype(np.float32) / 255, 3))
    }

    assert len(digests) == 1


def test_colours_are_those_of_bt709() -> None:
    red = np.tile(np.array([255, 0, 0], np.uint8), (96, 128, 1))
    planes = Canvas(SIZE, SIZE, "yuv420p").frame([red], 0, RATE).to_ndarray()

    assert abs(int(planes[0, 0]) - round(16 + 219 * 0.2126)) <= 1
    assert abs(int(planes[-1, 0]) - 240) <= 1  # the red-difference plane


def test_small_pictures_are_enlarged() -> None:
    frame = Canvas(Size(64, 48), SIZE, "yuv420p").frame(
        [np.full((48, 64, 3), 200, np.uint8)], 3, RATE
    )

    assert (frame.width, frame.height, frame.pts) == (128, 96, 3)


def test_wrong_bands_are_named() -> None:
    for bands in ([], [np.zeros((95, 128, 3), np.uint8)], [np.zeros((96, 64, 3), np.uint8)]):
        with pytest.raises(ValueError, match="band"):
            Canvas(SIZE, SIZE, "yuv420p").frame(bands, 0, RATE)


def test_posters_and_sheets_show_the_clip(tmp_path: Path) -> None:
    target = tmp_path / "clip.mp4"
    join(filmed(tmp_path / "reel").chunks(), target, "mp4", RATE)
    sheet = sprite_sheet(str(target))

    assert poster(str(target), 64)[:3] == b"\xff\xd8\xff"
    assert sheet.times_s == (0.0, 0.125, 0.375, 0.875)
    assert (sheet.columns, sheet.tile) == (2, SIZE)


def test_pq_is_that_of_st_2084() -> None:
    known = {0.0: 0.0, 100.0: 0.5081, 203.0: 0.5807, 1000.0: 0.7518, 10_000.0: 1.0}

    assert pq(np.array(list(known))) == pytest.approx(list(known.values()), abs=2e-4)
    assert nits_of(pq(np.array([5.0, 500.0]))) == pytest.approx([5.0, 500.0], rel=1e-3)
    assert PEAK_NITS == 1000


def test_hdr10_is_refused_where_no_player_expects_it() -> None:
    with pytest.raises(InvalidInput, match="hevc or av1"):
        choose_encoder("h264", SIZE, "hdr10")


def test_hardware_is_probed_by_opening() -> None:
    chosen = choose_encoder("h264", SIZE, hardware=True)

    assert chosen.hardware is opens("h264_nvenc", SIZE)
    assert not opens("no_such_encoder", SIZE)


def test_a_note_is_a_comment_of_a_playlist() -> None:
    plain = playlist("init", [("0", Fraction(1))], Fraction(1), ended=True)
    with_note = noted(plain, "proxy /assets/x")

    assert note_in(with_note) == "proxy /assets/x"
    assert [
        line for line in with_note.splitlines() if not line.startswith("# ")
    ] == plain.splitlines()
    assert note_in(plain) == note_in("") == note_in(noted(plain, "")) == ""
