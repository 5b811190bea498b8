"""Sockets that listen where a cluster's address says, and lines that are read from strangers within limits."""

from __future__ import annotations

import errno
import ipaddress
import logging
import socket
import time

from odtool.errors import OdtoolError

LONGEST = 1 << 16
"""Bytes of a line."""
_PORT_PATIENCE = 30.0
"""Seconds until a port is taken for another program's, and not for that of a process that is just ending."""
_WAIT = 0.5

log = logging.getLogger("odtool.engine")


def listen(address: str, end: float) -> list[socket.socket]:
    """Listens on host:port, on each address that the host's name has here.

    On all interfaces where the name has none of this machine's: behind a forwarded port or a service's name, or where
    /etc/hosts says 127.0.1.1 for the machine's own name, as Debian does, nobody else could reach it otherwise.

    Args:
        end: until when (time.monotonic) the name may become known: a headless service of Kubernetes publishes that of
            a pod some time after it has started.

    Raises:
        OdtoolError: the port stays in use, or the name is not known in time.
    """
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    names = UnknownNameReport()
    port_end: float | None = None
    while True:
        try:
            return _listen_once(host, int(port))
        except socket.gaierror as error:
            if time.monotonic() > end:
                raise _refuse(address, error, "Make the name known to every machine, or give an IP address.") from None
            names.tell(host, error)
        except OSError as error:
            port_end = port_end or time.monotonic() + _PORT_PATIENCE
            if time.monotonic() > port_end:
                raise _refuse(address, error, "Choose another port, or an address of this machine.") from None
        time.sleep(_WAIT)


def _refuse(address: str, error: OSError, hint: str) -> OdtoolError:
    return OdtoolError(f"{address}, the chief's address, cannot be used: {error.strerror or error}", hint)


class UnknownNameReport:
    """Says once that a machine's name is not known yet."""

    def __init__(self) -> None:
        self.last: socket.gaierror | None = None

    def tell(self, host: str, error: socket.gaierror) -> None:
        """To be called whenever it turns out so."""
        if self.last is None:
            log.warning("the name %s is not known here: %s; trying again", host, error.strerror or error)
        self.last = error


def _listen_once(host: str, port: int) -> list[socket.socket]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    addresses = {str(entry[4][0]): entry[0] for entry in found}
    is_local = all(ipaddress.ip_address(name.partition("%")[0]).is_loopback for name in addresses)
    if not is_local or host == "localhost" or host in addresses:
        listeners = [listener for name, family in addresses.items() if (listener := _bind(name, port, family))]
        if listeners:
            return listeners
    log.warning("%s is no address of this machine that others could reach: listening on all interfaces", host)
    if socket.has_dualstack_ipv6():
        return [socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)]
    return [socket.create_server(("", port))]


def _bind(name: str, port: int, family: int) -> socket.socket | None:
    """None where it is not an address of this machine."""
    try:
        return socket.create_server((name, port), family=family)
    except OSError as error:
        if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
            return None
        raise


def name_host(address: str) -> str:
    """Who connects, by an address: one machine may have all IPv6 addresses of a network of 64 bits."""
    host = ipaddress.ip_address(address.partition("%")[0])
    if not isinstance(host, ipaddress.IPv6Address):
        return str(host)
    if host.ipv4_mapped:
        return str(host.ipv4_mapped)
    return str(host) if host.is_loopback else str(ipaddress.ip_network((int(host) >> 64 << 64, 64)))


class LineReader:
    """The next line of a connection, received piece by piece; no longer than allowed."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._content = b""

    def receive(self) -> bytes | None:
        """The line, where it is complete; None where more is to come. For a socket that does not block.

        Raises:
            ConnectionError: the other side has closed, or sends more than a line.
            OSError: the connection is broken.
        """
        try:
            block = self._connection.recv(LONGEST)
        except BlockingIOError:
            return None
        self._content += block
        line, newline, rest = self._content.partition(b"\n")
        if newline and not rest:
            self._content = b""
            return line
        if not block or newline or len(self._content) > LONGEST:
            raise ConnectionError("it sends no line of ours")
        return None

    def wait(self, end: float) -> bytes | None:
        """The line, or None where it is not complete at `end` (time.monotonic). Raises as `receive` does."""
        while (left := end - time.monotonic()) > 0:
            self._connection.settimeout(left)
            try:
                block = self._connection.recv(LONGEST, socket.MSG_PEEK)
            except TimeoutError:
                return None
            self._connection.setblocking(False)
            if (line := self.receive()) is not None or not block:
                return line
        return None
