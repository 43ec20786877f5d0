"""Run every benchmark that needs no data and write the README's table: `python -m benchmarks`."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
START, END = "<!-- measured -->", "<!-- /measured -->"
ROWS: dict[str, tuple[tuple[str, tuple[str, ...]], ...]] = {
    "image_scene": (
        ("prompts of unseen combinations and another grammar: right class", ("class_accuracy",)),
        ("right material", ("material_accuracy",)),
        ("right count", ("count_accuracy",)),
        ("right spatial relation", ("relation_accuracy",)),
        ("named colour within ΔE2000 12", ("named_colour_within_12",)),
        ("colour and object words never seen in training", ("unseen_words_accuracy",)),
        ("CPU seconds of a 512 x 512 picture, with libLLVM", ("cpu_s_512_llvm",)),
        ("the same without libLLVM", ("cpu_s_512_scalar",)),
    ),
    "gateway": (
        ("no-op request, bare uvicorn: CPU ms, p50 ms, p99 ms", (
            "uvicorn_cpu_ms_per_request", "uvicorn_p50_ms", "uvicorn_p99_ms")),
        ("through the gateway, default proxy", (
            "default_cpu_ms_per_request", "default_p50_ms", "default_p99_ms")),
        ("through the gateway, HAProxy", (
            "haproxy_cpu_ms_per_request", "haproxy_p50_ms", "haproxy_p99_ms")),
    ),
    "orchestrator": (
        ("workflows accepted durably per second at 32 clients, SQLite; raw DBOS", (
            "sqlite_accepts_per_s", "raw_dbos_sqlite_accepts_per_s")),
        ("accepting one, idle: ms p50, p99", ("sqlite_accept_p50_ms", "sqlite_accept_p99_ms")),
        ("workflows of three steps ended per second", ("sqlite_three_step_per_s",)),
        ("an event reaches its reader, same process, another: ms p99", (
            "sqlite_event_p99_ms", "sqlite_event_other_process_p99_ms")),
    ),
    "fraud_serving": (
        ("one payment scored, with its reasons: µs p50", ("score_and_reasons_p50_us",)),
        ("by XGBoost's own calls, without and with Shapley values", (
            "xgboost_p50_us", "xgboost_shap_p50_us")),
        ("one payment remembered, scored and explained: ms p50, p99", (
            "request_p50_ms", "request_p99_ms")),
        ("payments per second in batches of 10,000", ("rows_per_s",)),
    ),
    "crypto_serving": (
        ("forecasts per second over HTTP in batches of 256, about known bars", ("forecasts_per_s",)),
        ("the same model in process", ("in_process_per_s",)),
        ("a cached forecast over HTTP: ms p50, p95", ("cached_p50_ms", "cached_p95_ms")),
    ),
}  # fmt: skip


def main() -> None:
    """Measure and rewrite the table."""
    lines = ["| what | measured |", "|---|---|"]
    machine = ""
    for name, rows in ROWS.items():
        figures = measured(name)
        machine = f"{figures['cores']} cores of {figures['cpu']}"
        lines += [
            f"| {label} | {' / '.join(str(figures[key]) for key in keys)} |" for label, keys in rows
        ]
    readme = ROOT / "README.md"
    text = readme.read_text()
    head, rest = text.split(START)
    tail = rest.split(END)[1]
    table = "\n".join(lines)
    readme.write_text(f"{head}{START}\nOn {machine}:\n\n{table}\n{END}{tail}")
    print(table)


def measured(name: str) -> dict[str, float | str]:
    """The last line of a benchmark."""
    child = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    figures: dict[str, float | str] = json.loads(child.stdout.strip().splitlines()[-1])
    return figures


if __name__ == "__main__":
    main()
