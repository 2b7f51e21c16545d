"""Read files in a child process, which a hostile file may kill: at most 1 GB and 30 s a file.

C code that loops or takes memory is stopped by the kernel alone, not by a thread or a signal
handler of Python. The child is forked: a fork costs 20 ms, a new interpreter the seconds that
importing the readers takes, and a night opens about ten of them (decision 15).
"""

from __future__ import annotations

import faulthandler
import gc
import os
import pickle
import resource
import signal
import warnings
from collections.abc import Callable
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, Self

from pipeline.sources.base import MAX_BYTES, BadGranule, Skipped, WrongOption

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    Data = xr.Dataset | pd.DataFrame

MAX_SECONDS = 30.0
"""Longest time for reading one file, wall clock (s)."""
LONGEST_ERROR = 500
"""Characters kept of an error that a file provoked."""


class FileReader:
    """A reader whose files are read in a child process; a context that ends the child.

    Parameters
    ----------
    read
        Reader of a source.
    max_seconds
        Longest time for one file, wall clock (s).
    max_bytes
        Size of a file on disk, and memory that reading it may take (bytes).
    """

    def __init__(
        self,
        read: Callable[[Path], Data],
        *,
        max_seconds: float = MAX_SECONDS,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self._read = read
        self._max_seconds = max_seconds
        self._max_bytes = max_bytes
        self._child: int | None = None
        self._requests: Connection[Path, Path]
        self._answers: Connection[bytes, bytes]

    def __enter__(self) -> Self:
        """Start nothing: the child is forked for the first file."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the child."""
        self._end()

    def __call__(self, path: Path) -> Data:
        """Read one file.

        Raises
        ------
        BadGranule
            The file is not what its name promises, too big, took too long or too much memory, or
            ended the process that read it.
        Skipped
            The file is of a kind that the pipeline does not use.
        """
        size = path.stat().st_size
        if size > self._max_bytes:
            raise BadGranule(path, expected=f"at most {self._max_bytes:.0e} bytes", found=f"{size}")
        if self._child is None:
            self._start()
        try:
            self._requests.send(path)
            # The child's own alarm ends it; a child that hangs before it sets one is ended here.
            answered = self._answers.poll(2 * self._max_seconds + 10)
            message = self._answers.recv_bytes() if answered else b""
        except (EOFError, OSError):
            message = b""
        if not message:
            raise self._explain_end(path)
        answer: Data | Exception = pickle.loads(message)  # noqa: S301  (from this process's child)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _start(self) -> None:
        requests, self._requests = Pipe(duplex=False)
        self._answers, answers = Pipe(duplex=False)
        with warnings.catch_warnings():
            # Python 3.12 warns of threads that hold a lock: the child uses none of theirs.
            warnings.simplefilter("ignore", DeprecationWarning)
            self._child = os.fork()
        if self._child == 0:
            self._requests.close()
            self._answers.close()
            _serve(
                self._read,
                requests,
                answers,
                max_seconds=self._max_seconds,
                max_bytes=self._max_bytes,
            )
        requests.close()
        answers.close()

    def _end(self) -> int:
        """End the child and return its exit status; negative the number of a signal."""
        if self._child is None:
            return 0
        self._requests.close()
        self._answers.close()
        child, self._child = self._child, None
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid == 0:
            os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
        return os.waitstatus_to_exitcode(status)

    def _explain_end(self, path: Path) -> BadGranule:
        """Describe how the child ended."""
        code = self._end()
        if code in {-signal.SIGALRM, -signal.SIGKILL}:
            description = f"one that takes longer than {self._max_seconds:g} s"
        else:
            description = (
                f"one that ends its reader ({signal.Signals(-code).name if code < 0 else code})"
            )
        return BadGranule(path, expected="a file that can be read", found=description)


def _serve(
    read: Callable[[Path], Data],
    requests: Connection[Path, Path],
    answers: Connection[bytes, bytes],
    *,
    max_seconds: float,
    max_bytes: int,
) -> NoReturn:
    """Read requested files until the parent closes the pipe; runs in the child, never returns."""
    try:
        faulthandler.disable()  # the parent reports a crash, in one line
        gc.freeze()  # else the child would close objects of the parent, open databases too
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the parent, which ends this
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM})
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        data_limits = resource.getrlimit(resource.RLIMIT_DATA)
        while True:
            path = requests.recv()
            signal.setitimer(signal.ITIMER_REAL, max_seconds)
            _limit_memory(max_bytes, data_limits)
            answer = _read_answer(read, path)
            resource.setrlimit(resource.RLIMIT_DATA, data_limits)
            signal.setitimer(signal.ITIMER_REAL, 0)
            answers.send_bytes(answer)
    finally:
        os._exit(0)  # no handler or buffer of the parent runs a second time


def _limit_memory(max_bytes: int, limits: tuple[int, int]) -> None:
    """Limit the memory that this process may take beyond what it holds, within its own limits.

    The limit is on writable memory, not on address space: a library may reserve much more than it
    uses.
    """
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[5])
    wanted = pages * os.sysconf("SC_PAGESIZE") + max_bytes
    allowed = [limit for limit in (wanted, *limits) if limit != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_DATA, (min(allowed), limits[1]))


def _read_answer(read: Callable[[Path], Data], path: Path) -> bytes:
    """Read a file; return its data, or the exception raised, pickled."""
    answer: Data | Exception
    try:
        answer = read(path)
    except (BadGranule, Skipped, WrongOption) as refused:
        answer = refused
    except Exception as error:  # noqa: BLE001  (any error rejects the file)
        answer = as_bad_granule(path, error)
    if isinstance(answer, Exception):
        # Its cause may be an error of a library that cannot be unpickled.
        answer.__cause__ = answer.__context__ = None
    return _pickle(answer)


def _pickle(answer: Data | Exception) -> bytes:
    return pickle.dumps(answer, protocol=pickle.HIGHEST_PROTOCOL)


def as_bad_granule(path: Path, error: Exception) -> BadGranule:
    """Return the rejection of a file for an error that no reader foresaw."""
    if isinstance(error, MemoryError):
        return BadGranule(
            path, expected=f"a file read in {MAX_BYTES:.0e} bytes of memory", found="one of more"
        )
    words = " ".join(str(error).split())[:LONGEST_ERROR]
    words = "".join(letter if letter.isprintable() else "?" for letter in words)
    return BadGranule(
        path,
        expected="a file that its reader understands",
        found=f"{type(error).__name__}{': ' if words else ''}{words}",
    )
