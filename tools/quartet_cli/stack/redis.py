"""Redis: TLS only, a user for each service that sees the keys and channels of its own prefix."""

import hashlib

from quartet_cli.stack.asking import answers_redis
from quartet_cli.stack.description import HOST, Stack
from quartet_cli.stack.files import write_private
from quartet_cli.stack.part import Part
from quartet_cli.stack.prints import fingerprint
from quartet_cli.stack.table import ENTRIES
from quartet_cli.stack.versions import program


def configuration(stack: Stack) -> str:
    folder = stack.folder("redis")
    settings = {
        "bind": HOST,
        "port": 0,
        "tls-port": stack.ports["redis"],
        "tls-cert-file": stack.certificates / "redis.crt",
        "tls-key-file": stack.certificates / "redis.key",
        "tls-ca-cert-file": stack.ca_file,
        "tls-auth-clients": "no",
        "tls-protocols": '"TLSv1.3"',
        "aclfile": folder / "users.acl",
        "dir": folder,
        "daemonize": "no",
        "databases": len(stack.workers) + 1,
        # nothing correct rests on what it holds: it may forget everything whenever it stops
        "save": '""',
        "appendonly": "no",
        "maxmemory": "128mb",
        # a full memory is an error that is seen, not a lock that quietly disappears
        "maxmemory-policy": "noeviction",
        "logfile": '""',
        "loglevel": "notice",
    }
    return "".join(f"{name} {value}\n" for name, value in settings.items())


def access_list(stack: Stack) -> str:
    services = [
        f"user {entry.name} on #{_hashed(stack, entry.name)} ~{entry.name}:* &{entry.name}:* "
        "+@all -@admin -@dangerous +info"
        for entry in ENTRIES
    ]
    operator = f"user operator on #{_hashed(stack, 'operator')} ~* &* +@all"
    return "\n".join(["user default off", operator, *services]) + "\n"


def _hashed(stack: Stack, user: str) -> str:
    return hashlib.sha256(stack.passwords[f"redis_{user}"].encode()).hexdigest()


def redis_part(stack: Stack) -> Part:
    folder = stack.folder("redis")
    files = {"redis.conf": configuration(stack), "users.acl": access_list(stack)}

    async def prepare() -> None:
        for name, text in files.items():
            write_private(folder / name, text, owner=stack.server_owner)

    async def ready() -> bool:
        password = stack.passwords["redis_operator"]
        port = stack.ports["redis"]
        return await answers_redis(HOST, port, user="operator", password=password, ca_file=stack.ca_file)

    return Part(
        name="redis",
        command=(program("redis-server"), str(folder / "redis.conf")),
        cwd=folder,
        user=stack.server_user,
        log=stack.log("redis"),
        prepare=prepare,
        ready=ready,
        stop_seconds=5,
        fingerprint=lambda: fingerprint(*files.values(), certificates=stack.certificates),
        ports=(stack.ports["redis"],),
    )
