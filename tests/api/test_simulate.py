"""The command that replays traces."""

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import yaml

from graphs.cli import main


def test_the_command_simulates_and_draws(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chart = tmp_path / "chart.svg"
    few = ["--requests", "300", "--hours", "6", "--chart", str(chart)]
    status = main(["simulate", *few, "--policy", "decide", "--policy", "fixed:3"])

    printed = [yaml.safe_load(line) for line in capsys.readouterr().out.splitlines()[:2]]
    assert status == 0
    assert [line["policy"] for line in printed] == ["decide", "fixed:3"]
    assert printed[1]["gpu_hours"] == pytest.approx(18, rel=0.02)
    assert sum(printed[0]["swaps"].values()) - printed[0]["swaps"]["ahead"] == 300
    drawn = ET.fromstring(chart.read_text())  # noqa: S314 - our own
    assert len(drawn.findall("{*}polyline")) == 3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--policy", "best"], "expected decide"),
        (["--trace", "/nowhere"], "must hold lora_request_trace"),
        (["--requests", "0"], "--requests must be above 0"),
        (["--chart", "/nowhere/chart.svg"], "there is no folder /nowhere"),
    ],
)
def test_the_command_says_what_it_needs(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["simulate", *arguments]) == 2
    assert said in capsys.readouterr().err
