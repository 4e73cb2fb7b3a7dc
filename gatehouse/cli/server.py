"""The server: a main process that supervises workers, which share one listening socket.

granian would give each worker a socket of its own with SO_REUSEPORT, so that a second server on the
port takes half of the requests, and would end with all workers when one of them fails repeatedly.
"""

import multiprocessing
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import click
from granian._granian import SocketHolder
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server.mp import MPServer, WorkerProcess

import config
from gatehouse.cli.listening_socket import BACKLOG, listen
from gatehouse.cli.restarts import RestartSchedule
from gatehouse.core import clock, metrics, worker_processes
from gatehouse.core.log import logger

GRACE_SECONDS = 10  # for open requests, when a worker stops
LOG_CONFIG = {"formatters": {}, "handlers": {}, "loggers": {"_granian": {"propagate": True}}}
"""granian's own lines are rendered like those of all libraries."""

Loader = Callable[[], object]


def server_options(settings: config.Settings) -> dict[str, object]:
    """Return the options of granian; a worker that does not stop in 10 s is killed.

    granian has one limit for idle connections and for incomplete headers.
    """
    idle = int(settings.keep_alive.total_seconds() * 1000)
    return {
        "target": "app:create_rsgi_app",
        "factory": True,
        "interface": Interfaces.RSGI,
        "address": settings.host,
        "port": settings.port,
        "workers": settings.workers,
        "backlog": BACKLOG,
        "websockets": False,
        "http": HTTPModes.http1,
        "http1_settings": HTTP1Settings(header_read_timeout=idle, max_buffer_size=65_536),
        "workers_kill_timeout": GRACE_SECONDS,
        "log_level": LogLevels.error,
        "log_dictconfig": LOG_CONFIG,
    }


class Server(MPServer):
    """granian with one exclusive socket, restarts that back off, and workers that outlive nothing.

    The methods with an underscore replace those of granian.
    """

    def __init__(self, bound: socket.socket, options: Mapping[str, Any]) -> None:
        super().__init__(**options)
        multiprocessing.set_start_method("fork", force=True)  # workers inherit socket and memory
        self._bound = bound
        self._descriptor = bound.fileno()
        self._lifeline = os.pipe()
        self._schedule = RestartSchedule()
        self._failed_to_start = False

    def _init_shared_socket(self) -> None:
        listen(self._bound)
        self._ssp = self._sso = None
        holder: Any = SocketHolder  # its constructor and this attribute lack types
        self._shd: Any = holder(self._bound.detach(), False, BACKLOG)

    def _drop_shared_socket(self) -> None:
        os.close(self._descriptor)  # SocketHolder does not; the workers close theirs

    def _spawn_worker(  # type: ignore[override] # granian's own subclasses differ, too
        self, idx: int, target: object, callback_loader: Loader
    ) -> WorkerProcess:
        return super()._spawn_worker(idx, target, partial(self._load, callback_loader))

    def _load(self, load_application: Loader) -> object:
        """Load the application, in a worker."""
        os.close(self._lifeline[1])
        threading.Thread(target=_end_with_parent, args=self._lifeline[:1], daemon=True).start()
        try:
            application = load_application()
        except click.ClickException as problem:
            logger().error("A worker cannot start.", reason=problem.message)
            sys.exit(1)
        worker_processes.report_started()
        return application

    def _serve(self, spawn_target: object, target_loader: Loader) -> None:
        self.startup(spawn_target, target_loader)  # type: ignore[no-untyped-call]
        self._serve_loop(spawn_target, target_loader)
        self.shutdown(int(self._failed_to_start))  # type: ignore[no-untyped-call]

    def _serve_loop(self, spawn_target: object, target_loader: Loader) -> None:
        """Restart workers until SIGTERM, or until it is clear that none can start."""
        while not self.interrupt_signal and not self._failed_to_start:
            self.main_loop_interrupt.wait(self._schedule.seconds_until_next(clock.monotonic()))
            self.main_loop_interrupt.clear()
            if self.reload_signal:
                self._reload(spawn_target, target_loader)
            self._note_exits()
            due = self._schedule.take_due(clock.monotonic())
            self._respawn_workers(due, spawn_target, target_loader)

    def _note_exits(self) -> None:
        while self.interrupt_children:
            worker = self.interrupt_children.pop(0)
            delay = self._schedule.add(worker, clock.monotonic())
            metrics.WORKER_EXITS.inc()
            process = self.wrks[worker].inner
            logger().error(
                "A worker ended unexpectedly; it is restarted.",
                **{"pid": process.pid, "exit": process.exitcode, "restart_in_seconds": delay},
            )
        self._schedule.forget_recovered(clock.monotonic())
        worker_processes.report_failing_workers(self._schedule.count_failing())
        if self._schedule.count_waiting() == self.workers and not worker_processes.any_started():
            logger().error("No worker can start, so the server stops. The reason is above.")
            self._failed_to_start = True

    def _reload(self, spawn_target: object, target_loader: Loader) -> None:
        """Replace all workers at SIGHUP, unless the new ones could not start."""
        try:
            config.read_environment()
        except config.ConfigurationError as problem:
            self.reload_signal = False
            logger().error("The workers are not replaced.", reason=problem.message)
        else:
            super()._reload(spawn_target, target_loader)  # type: ignore[no-untyped-call]


def _end_with_parent(lifeline: int) -> None:
    """Stop this worker when the main process has ended, however it ended.

    Nothing is ever written to the pipe; it is closed when the main process, the only one that can
    write to it, ends.
    """
    os.read(lifeline, 1)
    logger().error("The main process has ended, so this worker stops.")
    kill = threading.Timer(GRACE_SECONDS, os._exit, args=(1,))
    kill.daemon = True
    kill.start()
    os.kill(os.getpid(), signal.SIGTERM)
