"""The console, as a person uses it."""

import json

import pytest
from playwright.sync_api import ConsoleMessage, Page, expect

from tests.serve.conftest import Service

pytestmark = pytest.mark.serve


@pytest.fixture
def said(page: Page) -> list[str]:
    """Errors and policy violations that the browser reports."""
    found: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            found.append(message.text)

    page.on("console", note)
    page.on("pageerror", lambda error: found.append(str(error)))
    return found


def draw(page: Page, prompt: str) -> None:
    page.get_by_label("What should be drawn?").fill(prompt)
    page.get_by_label("Size").select_option("384x384")
    page.get_by_label("Quality").select_option("draft")
    page.get_by_label("Seed").fill("3")
    page.get_by_role("button", name="Draw", exact=True).click()


def test_a_sentence_becomes_a_picture_and_its_scene_can_be_changed(
    orrery: Service, page: Page, said: list[str]
) -> None:
    page.goto(orrery.url)
    expect(page.get_by_role("status").first).to_contain_text("ready")
    draw(page, "a red teapot")
    first = page.get_by_role("img", name="a red teapot")
    expect(first).to_be_visible()
    assert first.evaluate("image => image.decode().then(() => image.naturalWidth)") == 384

    first.click()
    page.get_by_text("The scene: edit it").click()
    editor = page.get_by_label("Scene as JSON")
    scene = json.loads(editor.input_value())
    scene["objects"][0]["color"] = "#2040ff"
    editor.fill(json.dumps(scene))
    page.get_by_role("button", name="Draw this scene").click()

    expect(page.get_by_role("img", name="an edited scene")).to_be_visible()
    assert said == []


def test_a_refusal_says_why(orrery: Service, page: Page) -> None:
    page.goto(orrery.url)
    page.get_by_role("spinbutton", name="Pictures").evaluate("input => { input.max = 99 }")
    page.get_by_role("spinbutton", name="Pictures").fill("9")
    draw(page, "a cube")

    expect(page.locator("#note")).to_contain_text("less than or equal to 4")


def test_drawing_can_be_cancelled(orrery: Service, page: Page) -> None:
    page.goto(orrery.url)
    draw(page, "six glass vases")
    page.get_by_role("button", name="Cancel").click()

    expect(page.locator("#note")).to_have_text("cancelled")
    expect(page.get_by_role("button", name="Draw", exact=True)).to_be_enabled()
