"""`python -m helicline.cli.transfer.guard FOLDER COMMAND ...`: runs a server for as long as its starter lives.

Standard input is a pipe from the starter, which ends when it closes it, and also when it is killed. Then the server is
stopped with all its processes, and the folder that it worked in removed.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from contextlib import suppress

PATIENCE_S = 15


def stop(server: subprocess.Popen[bytes]) -> None:
    """Ask the server and its processes to end, and after a while make them."""
    for kind in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(server.pid, kind)
        with suppress(subprocess.TimeoutExpired):
            server.wait(timeout=PATIENCE_S)
            return


def main() -> None:
    folder, command = sys.argv[1], sys.argv[2:]
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    ending = threading.Event()

    def end_with_server() -> None:
        code = server.wait()
        if not ending.is_set():
            os._exit(code)  # the main thread waits for the starter

    threading.Thread(target=end_with_server, daemon=True).start()
    sys.stdin.buffer.read()
    ending.set()
    stop(server)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
