import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.delivery.disposition import content_disposition, safe_filename, safe_media_type


@pytest.mark.parametrize(
    ("media_type", "kind"),
    [
        ("image/webp", "inline"),
        ("video/mp4", "inline"),
        ("application/json", "inline"),
        ("text/plain; charset=utf-8", "inline"),
        ("image/svg+xml", "attachment"),
        ("IMAGE/SVG+XML", "attachment"),
        ("text/html", "attachment"),
        ("application/xhtml+xml", "attachment"),
        ("text/xml", "attachment"),
        ("application/pdf", "attachment"),
        ("whatever", "attachment"),
    ],
)
def test_what_can_run_a_script_is_downloaded(media_type, kind):
    assert content_disposition("a", media_type, "x").startswith(f"{kind};")


@pytest.mark.parametrize(
    ("filename", "expected"),
    [
        ("moon.webp", 'inline; filename="moon.webp"'),
        ("../../etc/passwd", 'inline; filename="passwd"'),
        ("C:\\temp\\a.png", 'inline; filename="a.png"'),
        ('a"; evil="b', "inline; filename=\"a_; evil=_b\"; filename*=UTF-8''a%22%3B%20evil%3D%22b"),
        ("größe.png", "inline; filename=\"gr__e.png\"; filename*=UTF-8''gr%C3%B6%C3%9Fe.png"),
        ("a\r\nSet-Cookie: b.png", 'inline; filename="aSet-Cookie: b.png"'),
        ("gnp.\u202eexe", 'inline; filename="gnp.exe"'),
        ("..", 'inline; filename="fallback"'),
        ("", 'inline; filename="fallback"'),
    ],
)
def test_file_names_are_made_safe(filename, expected):
    assert content_disposition(filename, "image/png", "fallback") == expected


def test_a_long_name_keeps_its_suffix():
    assert safe_filename("n" * 500 + ".webp") == "n" * 115 + ".webp"


@given(st.text(), st.text())
def test_no_text_breaks_out_of_its_header(filename, media_type):
    value = content_disposition(filename, media_type, "fallback") + safe_media_type(media_type)

    assert value.isascii()
    assert value.isprintable()


def test_a_media_type_that_is_none_becomes_bytes():
    assert safe_media_type("text/plain\r\nX: y") == "application/octet-stream"
    assert safe_media_type("text/plain; charset=utf-8") == "text/plain; charset=utf-8"
