"""Addresses of Redis servers: read as others read them, and shown without who logs in."""

import pytest

from sqlfeat.spec.redis_address import RedisAddress


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://cache", RedisAddress("redis", "cache")),
        ("redis://cache:7000/3", RedisAddress("redis", "cache", 7000, database=3)),
        ("redis://:pass@cache", RedisAddress("redis", "cache", password="pass")),
        ("redis://me:p%40ss%2F%23@cache/", RedisAddress("redis", "cache", user="me", password="p@ss/#")),
        ("redis://[::1]:6380/1", RedisAddress("redis", "::1", 6380, database=1)),
        ("redis://cache?db=4", RedisAddress("redis", "cache", database=4)),
        ("rediss://cache?ssl_cert_reqs=none", RedisAddress("rediss", "cache", tls={"ssl_cert_reqs": "none"})),
        ("unix://me:pass@/run/redis.sock?db=2", RedisAddress("unix", path="/run/redis.sock", database=2, user="me",
                                                             password="pass")),
        (" redis://cache\n", RedisAddress("redis", "cache")),
    ],
)  # fmt: skip
def test_an_address_is_read(url, expected):
    assert expected == RedisAddress.parse(url)


@pytest.mark.parametrize(
    "url",
    [
        "", "cache:6379", "http://:canary@cache", "redis://", "redis://:canary@", "redis://:canary@cache:port",
        "redis://:can#ary@cache", "redis://cache:99999999", "redis://:canary@cache/one", "redis://cache/-1",
        "redis://:canary@cache?passwort=canary", "redis://cache?ssl_cert_reqs=none", "rediss://cache?ssl_cert_reqs=some",
        "rediss://cache?ssl_check_hostname=maybe", "unix://", "unix:///?db=1", "redis://:canary@[::1", "redis://h/²",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused_without_its_text(url):
    with pytest.raises(ValueError, match=r"^(it|after the|its|ssl_\w+) ") as caught:
        RedisAddress.parse(url)
    assert "canary" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://me:canary@cache", "redis://cache:6379/0"),
        ("rediss://:canary@[::1]:1/2", "rediss://[::1]:1/2"),
        ("unix://:canary@/run/redis.sock", "unix:///run/redis.sock?db=0"),
    ],
)
def test_an_address_is_shown_without_who_logs_in(url, shown):
    address = RedisAddress.parse(url)

    assert shown == str(address)
    assert "canary" not in repr(address)
    assert "me" not in repr(address).partition("scheme")[0]
