"""Records numbered payments in small requests and says after each how many are accepted."""

import sys
from pathlib import Path

from models.fraud.journal import Journal
from models.fraud.payments import Payment
from models.fraud.state import State


def numbered(number: int) -> Payment:
    return Payment(
        f"e{number}", 1e9 + 60.0 * number, f"c{number % 50}", f"t{number % 20}", 100 + number % 997
    )


if __name__ == "__main__":
    path, first, last = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    state = State(Journal(path))
    for start in range(first, last, 50):
        state.record("local", [numbered(n) for n in range(start, min(start + 50, last))])
        sys.stdout.write(f"{min(start + 50, last)}\n")
        sys.stdout.flush()
