"""Asking a Redis server: in time or not at all, whatever it does."""

import os
import socket
import ssl
import threading
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sqlfeat.errors import StoreError
from sqlfeat.spec.redis_address import RedisAddress
from sqlfeat.store.redis_server import FAILURES, LONGEST_REST, SHORTEST_REST, Circuit, RedisServer
from sqlfeat.store.redis_wire import ComingReplies, Connection, Incomplete, Refusal, command
from tests.made.redis import Proxy, free_port, running

PING = command(b"PING")


@pytest.fixture(scope="module")
def running_server():
    with running(password="canary") as server:
        yield server


def server_at(url, timeout=20.0):
    return RedisServer(RedisAddress.parse(url), timeout=timeout)


def failure(call):
    with pytest.raises(StoreError) as caught:
        call()
    assert caught.value.__cause__ is None
    assert "canary" not in f"{caught.value} {caught.value!r} {caught.value.__context__}"
    return caught.value


# -- replies -----------------------------------------------------------------------------------------------------------

texts = st.binary(max_size=20) | st.integers(200, 6000).map(lambda length: b"\r\n" * length)
replies = st.recursive(
    st.none() | st.integers(-(2**62), 2**62) | texts, lambda inner: st.lists(inner, max_size=5), max_leaves=8
)


def written(reply):
    """A reply as a server writes it."""
    if reply is None:
        return b"$-1\r\n"
    if isinstance(reply, int):
        return b":%d\r\n" % reply
    if isinstance(reply, bytes):
        return b"$%d\r\n%b\r\n" % (len(reply), reply)
    return b"*%d\r\n%b" % (len(reply), b"".join(map(written, reply)))


@contextmanager
def saying(*pieces):
    """A server that says these pieces to who comes first, whatever is asked, and hangs up."""

    def talk():
        client, _ = listening.accept()
        with client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for piece in pieces:
                client.sendall(piece)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=talk, daemon=True)
        thread.start()
        yield f"redis://127.0.0.1:{listening.getsockname()[1]}"
        thread.join(20)


@given(st.lists(replies, min_size=1, max_size=4), st.data())
def test_replies_are_read_wherever_they_are_cut(expected, data):
    whole = b"".join(map(written, expected))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    pieces = [whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]

    class Scripted(Connection):
        def __init__(self):
            self._data, self._at, self._now = b"", 0, lambda: 0.0
            self._socket = self

        def settimeout(self, _):
            pass

        def recv(self, _):
            return next(piece for piece in iter(lambda: pieces.pop(0), None) if piece)

    coming, found = ComingReplies(), []
    for piece in pieces:  # as an event loop brings them
        coming.fed(piece)
        with suppress(Incomplete):
            while len(found) < len(expected):
                found.append(coming.next())
    assert expected == found
    assert coming.is_quiet

    connection = Scripted()
    assert expected == connection.receive(len(expected), 1.0)
    assert connection.is_quiet


@given(
    st.lists(st.tuples(st.sampled_from([b"mark", b"", None]), st.sampled_from([b"aa", b"bb", b"", None, b"\r\n"]))),
    st.integers(1, 40),
)
def test_lists_of_two_that_begin_alike_are_read_each_for_itself(pairs, size):
    expected = [list(pair) for pair in pairs]
    whole = b"".join(map(written, expected))
    coming, found = ComingReplies(), []
    for start in range(0, len(whole), size):
        coming.fed(whole[start : start + size])
        with suppress(Incomplete):
            while len(found) < len(expected):
                found.append(coming.next())

    assert expected == found
    assert coming.is_quiet


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n", b"$x\r\n", b"$99999999999\r\n", b"*1\r\n" * 50, b"+" + b"x" * 70_000, b"",
        b"$5\r\nab",
    ],
    ids=["http", "no length", "too long", "too deep", "endless line", "nothing", "cut"],
)  # fmt: skip
def test_what_is_no_reply_is_an_error_at_once(said):
    with saying(said) as url:
        assert failure(lambda: server_at(url).ask(PING, 1)).code == "online-store-down"


# -- servers that are not there ----------------------------------------------------------------------------------------


def test_a_server_that_is_not_there_is_down():
    error = failure(lambda: server_at(f"redis://:canary@127.0.0.1:{free_port()}").ask(PING, 1))

    assert error.code == "online-store-down"
    assert "Connection refused" in error.what


@pytest.mark.parametrize("login", ["", ":wrong-canary@", "nobody:canary@"])
def test_a_server_that_lets_nobody_in_is_down_and_no_password_is_told(running_server, login):
    error = failure(lambda: server_at(f"redis://{login}127.0.0.1:{running_server.port}").ask(PING, 1))

    assert error.code == "online-store-down"
    assert "password" in error.what


def test_a_database_that_is_not_there_is_told_of(running_server):
    url = running_server.url.removesuffix("/0") + "/999"

    assert "login or database" in failure(lambda: server_at(url).ask(PING, 1)).what


def test_a_host_that_is_no_name_is_told_of():
    assert failure(lambda: server_at(f"redis://{'a' * 70}.b").ask(PING, 1)).code == "online-store-down"


def test_a_server_that_is_stopped_is_waited_for_no_longer_than_allowed(running_server):
    server = server_at(running_server.url, timeout=0.2)
    assert server.ask(PING, 1) == [b"PONG"]
    running_server.freeze()
    try:
        before = datetime.now(UTC)
        assert "in time" in failure(lambda: server.ask(PING, 1)).what
        assert datetime.now(UTC) - before < timedelta(seconds=5)  # and not for ever
    finally:
        running_server.thaw()
    assert server.ask(PING, 1) == [b"PONG"]


@pytest.mark.parametrize(("delay", "piece"), [(30.0, 0), (0.02, 1)], ids=["late", "dripping"])
def test_a_deadline_holds_for_the_whole_answer(delay, piece):
    with running() as target:
        proxy = Proxy(target.port)
        server = server_at(proxy.url, timeout=0.3)
        assert server.ask(PING, 1) == [b"PONG"]
        proxy.delay, proxy.piece = delay, piece
        assert "in time" in failure(lambda: server.ask(command(b"ECHO", b"x" * 1000), 1)).what
        proxy.delay, proxy.piece = 0.0, 0
        assert server.ask(command(b"ECHO", b"mine"), 1) == [b"mine"]  # and not what was still on its way
        server.close()
        proxy.close()


def test_a_connection_that_has_gone_stale_is_replaced_once():
    with running() as target:
        server = server_at(target.url)
        assert server.ask(PING, 1) == [b"PONG"]
        target.stop()
        target.start()
        assert server.ask(PING, 1) == [b"PONG"]
        target.stop()
        assert failure(lambda: server.ask(PING, 1)).code == "online-store-down"


def test_a_server_that_takes_nothing_says_why():
    with running() as target:
        server = server_at(target.url)
        server.ask(command(b"CONFIG", b"SET", b"maxmemory", b"1"), 1)
        error = failure(lambda: server.ask(command(b"SET", b"a", b"1"), 1))

    assert (error.code, error.what.endswith("refuses: it has no memory left.")) == ("cannot-write", True)
    assert server.problem is None


def test_a_server_that_loads_its_data_is_down_for_now():
    with saying(b"-LOADING Redis is loading the dataset in memory\r\n") as url:
        error = failure(lambda: server_at(url).ask(PING, 1))

    assert (error.code, "loading" in error.what) == ("online-store-down", True)


def test_two_processes_never_read_each_others_answers(running_server):
    server = server_at(running_server.url)
    assert server.ask(PING, 1) == [b"PONG"]
    child = os.fork()
    if child == 0:
        right = all(server.ask(command(b"ECHO", b"child"), 1) == [b"child"] for _ in range(200))
        os._exit(0 if right else 1)
    assert all(server.ask(command(b"ECHO", b"parent"), 1) == [b"parent"] for _ in range(200))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_many_threads_ask_one_server(running_server):
    server, wrong = server_at(running_server.url), []

    def work(number):
        for _ in range(100):
            if server.ask(command(b"ECHO", b"%d" % number), 1) != [b"%d" % number]:
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


# -- the circuit -------------------------------------------------------------------------------------------------------


class Times:
    """A clock that goes on when it is told to."""

    def __init__(self):
        self.at = 0.0

    def __call__(self):
        return self.at


def test_after_some_failures_nobody_waits_and_one_tries_from_time_to_time():
    now = Times()
    circuit = Circuit(now)
    for _ in range(FAILURES):
        assert circuit.admits()
        circuit.failed()
    rest, rests = SHORTEST_REST, []
    for _ in range(8):
        assert circuit.is_open
        now.at += rest * 0.99
        assert not circuit.admits()
        now.at += rest * 0.02
        assert [circuit.admits(), circuit.admits(), circuit.admits()] == [True, False, False]
        circuit.failed()
        rest = min(rest * 2, LONGEST_REST)
        rests.append(rest)
    assert rests[-1] == LONGEST_REST

    now.at += rest * 1.01
    assert circuit.admits()
    circuit.succeeded()
    assert not circuit.is_open
    assert [circuit.admits() for _ in range(5)] == [True] * 5


def test_a_success_in_between_is_no_failure_in_a_row():
    circuit = Circuit(Times())
    for _ in range(10):
        for _ in range(FAILURES - 1):
            circuit.failed()
        circuit.succeeded()
    assert circuit.admits()


def test_those_who_were_waiting_when_it_opened_do_not_prolong_it():
    now = Times()
    circuit = Circuit(now)
    for _ in range(FAILURES + 20):
        circuit.failed()
    now.at = SHORTEST_REST * 1.01
    assert circuit.admits()


def test_while_the_circuit_is_open_the_server_is_not_asked_and_the_reason_is_told():
    with running() as target:
        server = server_at(target.url)
        target.stop()
        for _ in range(FAILURES):
            failure(lambda: server.ask(PING, 1))
        assert server.problem is not None
        server._circuit._until = float("inf")
        target.start()
        again = failure(lambda: server.ask(PING, 1))
        assert (again.code, again.what) == (server.problem.code, server.problem.what)
        server._circuit._until = 0.0
        assert server.ask(PING, 1) == [b"PONG"]
        assert server.problem is None


# -- TLS ---------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for 127.0.0.1 and its key, in files."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name.from_rfc4514_string("CN=127.0.0.1")
    now = datetime.now(UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(now - timedelta(1)).not_valid_after(now + timedelta(1))
    made = made.add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    folder = tmp_path_factory.mktemp("tls")
    plain = serialization.NoEncryption()
    (folder / "key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    )
    (folder / "certificate").write_bytes(made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    return folder


@contextmanager
def tls_in_front_of(port, certificate):
    """A listener that speaks TLS and hands on to a server, one client at a time."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate / "certificate", certificate / "key")

    def work():
        while True:
            try:
                plain, _ = listening.accept()
            except OSError:
                return
            try:
                with (
                    context.wrap_socket(plain, server_side=True) as client,
                    socket.create_connection(("127.0.0.1", port)) as there,
                ):
                    while data := client.recv(65536):
                        there.sendall(data)
                        client.sendall(there.recv(65536))
            except OSError:
                continue

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        yield f"rediss://:canary@127.0.0.1:{listening.getsockname()[1]}/0"
        listening.shutdown(socket.SHUT_RDWR)
    thread.join(20)


def test_tls_is_spoken_and_certificates_are_checked(running_server, certificate):
    with tls_in_front_of(running_server.port, certificate) as url:
        trusting = server_at(f"{url}?ssl_ca_certs={certificate / 'certificate'}")
        assert trusting.ask(PING, 1) == [b"PONG"]
        trusting.close()
        careless = server_at(f"{url}?ssl_cert_reqs=none")
        assert careless.ask(PING, 1) == [b"PONG"]
        careless.close()
        assert "certificate" in failure(lambda: server_at(url).ask(PING, 1)).what.lower()


def test_a_unix_socket_is_a_server_too(tmp_path):
    with running() as target:
        assert server_at(f"unix://{target.socket}").ask(PING, 1) == [b"PONG"]
        assert failure(lambda: server_at(f"unix://{tmp_path}/none.sock").ask(PING, 1)).code == "online-store-down"


def test_a_refusal_says_its_kind():
    assert Refusal("WRONGPASS invalid username-password pair").kind == "WRONGPASS"
