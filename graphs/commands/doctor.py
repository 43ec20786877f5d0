"""`orrery doctor`: what this machine has, and what to do about each problem."""

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import psutil
import yaml
from pydantic import ValidationError

from graphs.commands.ports import holder_of
from graphs.commands.serve import REPOSITORY
from graphs.commands.terminal import Subcommands, say
from graphs.settings import Settings

GIB = 2**30
MIN_PYTHON = (3, 11)
MIN_MEMORY_GIB = 2.0
MIN_DISK_GIB = 5.0
PROBE_LIMIT_S = 60
MARKS = {"ok": "ok  ", "warning": "WARN", "problem": "FAIL"}

CUDA_PROBE = (
    "import json, torch; ok = torch.cuda.is_available(); "
    "print(json.dumps([torch.__version__, torch.version.cuda, ok, "
    "[torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())] if ok else []]))"
)


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    subject: str
    level: Literal["ok", "warning", "problem"]
    seen: str
    advice: str = ""


def add_parser(subcommands: Subcommands) -> None:
    """Describe the subcommand."""
    parser = subcommands.add_parser("doctor", help="check this machine and say what to mend")
    parser.add_argument("--json", action="store_true", help="print a JSON list")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Look at everything; 1 if something would keep the service from working."""
    findings = list(examine())
    if options.json:
        say(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        for finding in findings:
            say(f"{MARKS[finding.level]}  {finding.subject}: {finding.seen}")
            if finding.advice:
                say(f"      {finding.advice}")
    return int(any(finding.level == "problem" for finding in findings))


def examine() -> Iterator[Finding]:
    """Every finding, cheap ones first."""
    checks: tuple[Callable[[], Finding], ...] = (
        _python,
        _memory,
        _settings,
        _disk,
        _port,
        _ray,
        _libllvm,
        _denoiser,
        _gpu,
    )
    for check in checks:
        yield check()


def _python() -> Finding:
    seen = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] >= MIN_PYTHON:
        return Finding("Python", "ok", seen)
    return Finding(
        "Python", "problem", seen, "install Python 3.11 or newer; make PYTHON=python3.11"
    )


def _memory() -> Finding:
    memory = psutil.virtual_memory()
    cores = psutil.cpu_count() or 1
    seen = f"{memory.available / GIB:.1f} GiB of {memory.total / GIB:.1f} free, {cores} cores"
    if memory.available / GIB >= MIN_MEMORY_GIB:
        return Finding("Memory", "ok", seen)
    return Finding("Memory", "warning", seen, f"free at least {MIN_MEMORY_GIB:.0f} GiB")


def _settings() -> Finding:
    try:
        settings = Settings()
    except ValidationError as error:
        said = "; ".join(f"{e['loc'][0] if e['loc'] else ''}: {e['msg']}" for e in error.errors())
        return Finding("Settings", "problem", said, "mend the ORRERY_* variable")
    if settings.keys_file is None:
        return Finding("API keys", "ok", "none: only this machine is served, without keys")
    return Finding("API keys", "ok", f"from {settings.keys_file}")


def _disk() -> Finding:
    folder = Settings().data_dir.expanduser() if _settings().level == "ok" else Path.home()
    while not folder.exists():
        folder = folder.parent
    free_gib = shutil.disk_usage(folder).free / GIB
    seen = f"{free_gib:.1f} GiB free at {folder}"
    if free_gib >= MIN_DISK_GIB:
        return Finding("Disk", "ok", seen)
    return Finding("Disk", "warning", seen, "make room, or set ORRERY_DATA_DIR to a larger disk")


def _port() -> Finding:
    http = yaml.safe_load((REPOSITORY / "serve_config.yaml").read_text())["http_options"]
    port = int(http["port"])
    holder = holder_of(http["host"], port)
    if holder is None:
        return Finding("Port", "ok", f"{port} is free")
    advice = f"if that is not Orrery itself, choose another: make serve PORT={port + 1}"
    return Finding("Port", "warning", f"{port} is taken by {holder}", advice)


def _ray() -> Finding:
    running = [p.pid for p in psutil.process_iter(["name"]) if p.info["name"] == "gcs_server"]
    if not running:
        return Finding("Ray", "ok", "none is running; `orrery serve` starts one of its own")
    seen = f"running already (gcs_server {', '.join(map(str, running))})"
    advice = "`orrery serve` leaves it alone; a bare `serve run` would join it"
    return Finding("Ray", "ok", seen, advice)


def _probe(program: str) -> str | None:
    """Output of a Python program in a process of its own; `None` if it failed or crashed."""
    try:
        child = subprocess.run(  # noqa: S603 - our own interpreter and text
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            timeout=PROBE_LIMIT_S,
            check=True,
            cwd=REPOSITORY,
        )
    except (subprocess.SubprocessError, OSError):
        return None
    return child.stdout.strip()


def _libllvm() -> Finding:
    variant = _probe("from models.image.render import Renderer; print(Renderer().variant)")
    if variant == "llvm_ad_rgb":
        return Finding("libLLVM", "ok", "the fast path tracer works")
    advice = "install it (Debian: apt-get install libllvm19); pictures take twice the time"
    return Finding("libLLVM", "warning", "none that works was found", advice)


def _denoiser() -> Finding:
    if _probe("import pyoidn; print(1)"):
        return Finding("Denoiser", "ok", "Open Image Denoise works")
    advice = "there is no wheel for this platform; pictures take 4 times the samples"
    return Finding("Denoiser", "warning", "Open Image Denoise does not load", advice)


def _gpu() -> Finding:
    driver = _driver()
    probed = _probe(CUDA_PROBE)
    if probed is None:
        return Finding("GPU", "problem", "torch does not load", "run `make install` again")
    version, cuda, works, names = json.loads(probed)
    if works:
        return Finding("GPU", "ok", f"{', '.join(names)}; torch {version}, driver {driver}")
    if driver is None:
        return Finding("GPU", "ok", "none; everything embedded runs on the CPU")
    if cuda is None:
        advice = "this torch is built for the CPU: make install TORCH_INDEX= (the default index)"
        return Finding("GPU", "problem", f"driver {driver}, torch {version}", advice)
    advice = f"torch is built for CUDA {cuda}; update the driver, or check CUDA_VISIBLE_DEVICES"
    return Finding("GPU", "problem", f"driver {driver} does not match torch {version}", advice)


def _driver() -> str | None:
    """Version of the NVIDIA driver, if there is one."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    query = [program, "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        child = subprocess.run(query, capture_output=True, text=True, timeout=20, check=True)  # noqa: S603
    except (subprocess.SubprocessError, OSError):
        return "that does not answer"
    return child.stdout.split("\n")[0].strip()
