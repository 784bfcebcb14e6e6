"""Where snapshots are published: what is read, what is refused, and that no password is told in either case."""

import pytest

from sqlfeat.spec.online import TIMEOUT
from sqlfeat.spec.redis_address import RedisAddress

URL = "redis://me:canary@cache:7000/2"


def test_a_server_is_an_address_with_its_defaults(load):
    project = load({"sqlfeat_project.yml": f"name: x\nonline: {{store: redis, url: '{URL}'}}\n"})

    address = RedisAddress("redis", "cache", 7000, database=2, user="me", password="canary")
    defaults = {"namespace": None, "timeout": TIMEOUT, "keep_pushes": None}
    assert project.online == {"store": "redis", "url": address, **defaults}
    assert "canary" not in repr(project)


def test_namespace_and_timeout_are_read(load):
    said = "{store: redis, url: 'redis://cache', namespace: shop-eu, timeout: 50 ms}"
    project = load({"sqlfeat_project.yml": f"name: x\nonline: {said}\n"})

    assert (project.online["namespace"], project.online["timeout"]) == ("shop-eu", 0.05)


@pytest.mark.parametrize(
    "said",
    [
        f"{{store: redis, url: '{URL}x'}}",
        f"{{store: redis, url: '{URL}', timeout: 2}}",
        f"{{store: redis, url: '{URL}', timeout: 0 s}}",
        f"{{store: redis, url: '{URL}', timeout: 2 minutes}}",
        f"{{store: redis, url: '{URL}', timeout: 1 month}}",
        f"{{store: redis, url: '{URL}', namespace: 'a b'}}",
        f"{{store: redis, url: '{URL}', path: target/online}}",
        f"{{store: redis, url: '{URL}', urll: '{URL}'}}",
        f"{{store: '{URL}'}}",
        f"'{URL}'",
        f"['{URL}']",
        f"{{store: lmdb, url: '{URL}'}}",
    ],
)
def test_what_is_wrong_is_refused_and_no_password_is_told(refused, said):
    error = refused({"sqlfeat_project.yml": f"name: x\nonline: {said}\n"})

    assert error.where.line == 2
    assert "canary" not in f"{error} {error.as_dict()}"
