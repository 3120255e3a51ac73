"""`python -m helicline.cli.transfer.guard FOLDER COMMAND ...`: runs a server while its parent process lives.

Standard input is a pipe from the parent, which ends when the parent closes it or is killed. Then the guard stops the
server with all its processes, and removes its folder.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from contextlib import suppress

TIMEOUT_S = 15


def stop(server: subprocess.Popen[bytes]) -> None:
    """Stop the server and its processes: SIGTERM, and SIGKILL after a timeout."""
    for signal_number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal_number)
        with suppress(subprocess.TimeoutExpired):
            server.wait(timeout=TIMEOUT_S)
            return


def main() -> None:
    folder, command = sys.argv[1], sys.argv[2:]
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    ending = threading.Event()

    def end_with_server() -> None:
        code = server.wait()
        if not ending.is_set():
            os._exit(code)  # the main thread waits for the parent

    threading.Thread(target=end_with_server, daemon=True).start()
    sys.stdin.buffer.read()
    ending.set()
    stop(server)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
