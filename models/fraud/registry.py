"""Which payment model decides: the configured one, or one that was promoted since.

Promoted weights are copied into the data folder, so that they last whatever becomes of the folder
they came from. One small file holds the line of champions; it is replaced as a whole.
"""

import json
import os
from pathlib import Path

from models.core.durable import write_atomically
from models.core.errors import Conflict, ModelUnavailable
from models.core.weights import MANIFEST
from models.fraud.scoring import FILE, TransactionModel

LINE = "champions.json"
CONFIGURED = "configured"


class Registry:
    """The line of champions, the present one last.

    Args:
        folder: In the data folder.
        configured: Folder of the weights that the line begins with.
    """

    def __init__(self, folder: Path, configured: Path) -> None:
        self._folder, self._configured = folder, configured
        self._line = str(folder / LINE)

    def line(self) -> tuple[str, ...]:
        """Names of the champions, oldest first."""
        try:
            names = json.loads((self._folder / LINE).read_text())["champions"]
        except FileNotFoundError:
            return (CONFIGURED,)
        except (OSError, ValueError, KeyError) as error:
            raise ModelUnavailable(f"{self._folder / LINE} is damaged: {error!r}") from error
        return (CONFIGURED, *[str(name) for name in names])

    def stamp(self) -> tuple[int, int] | None:
        """Differs after every change of the line, whichever process made it."""
        try:
            found = os.stat(self._line)  # noqa: PTH116 - for every event, and twice as fast
        except OSError:
            return None
        return found.st_mtime_ns, found.st_ino

    def champion(self) -> TransactionModel:
        """Load the present champion.

        Raises:
            ModelUnavailable: Its weights, or the line, are missing or damaged.
        """
        return TransactionModel.load(self._folder_of(self.line()[-1]))

    def promote(self, source: Path, sha256: str) -> TransactionModel:
        """Copy weights and make them the champion.

        Raises:
            Conflict: The weights are not those that were compared.
            ModelUnavailable: They cannot be loaded.
        """
        name = sha256[:16]
        target = self._folder / name
        for file in (FILE, MANIFEST):
            write_atomically(target / file, (source / file).read_bytes())
        model = TransactionModel.load(target)
        if model.sha256 != sha256:
            raise Conflict("the challenger changed while it was compared; compare it again")
        self._write((*self.line(), name))
        return model

    def roll_back(self) -> TransactionModel:
        """Make the champion before the present one decide again.

        Raises:
            Conflict: There is none before it.
            ModelUnavailable: Its weights cannot be loaded; the present champion stays.
        """
        line = self.line()
        if len(line) == 1:
            raise Conflict("the configured model decides; there is no other to go back to")
        model = TransactionModel.load(self._folder_of(line[-2]))
        self._write(line[:-1])
        return model

    def _folder_of(self, name: str) -> Path:
        return self._configured if name == CONFIGURED else self._folder / name

    def _write(self, line: tuple[str, ...]) -> None:
        text = json.dumps({"champions": list(line[1:])}, indent=2) + "\n"
        write_atomically(self._folder / LINE, text.encode())
