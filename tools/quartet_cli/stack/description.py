"""What a stack is: its folder, ports and passwords, and what each process is told about them."""

import base64
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Literal, Self, cast

from quartet_cli.stack.errors import StackError
from quartet_cli.stack.files import Owner, write_private
from quartet_cli.stack.table import DATABASE, ENTRIES, POOL_SIZES

CHECKOUT = Path(__file__).resolve().parents[3]
HOST = "127.0.0.1"
DEVELOPMENT = "dev"
ENCRYPTION_KEY = "local-1"
RATE_LIMITS = {"auth": dict.fromkeys(("register", "login", "mailbox"), "1000000/60")}
"""Every caller has the same address here: benchmarks and tests would limit each other."""
CHEAP_HASHES = {"HASHING_MEMORY_KIB": "7168", "HASHING_PASSES": "1"}
"""What a password costs at least; tests register thousands, and none of them is about the price."""
DEFAULT_PORT_BASE = 18400

_FILES = {"auth": "exports", "profile": "files"}
"""Which services keep files, and the folder of each."""

ProcessName = Literal["api", "worker", "migrate"]


def port_layout(base: int) -> dict[str, int]:
    """Every port of a stack, from the first one."""
    servers = ("gateway", "postgres", "pgbouncer", "redis", "kafka", "kafka-controller", "mail")
    listeners = ("api", "api-internal", "api-probe", "worker-internal", "worker-probe")
    ports = {name: base + offset for offset, name in enumerate(servers)}
    for position, entry in enumerate(ENTRIES, start=1):
        first = base + 10 * position
        ports |= {f"{entry.name}-{name}": first + offset for offset, name in enumerate(listeners)}
    return ports


def current_file() -> Path:
    """The description that QUARTET_STACK names, for every verb and bench; else the development stack's."""
    named = os.environ.get("QUARTET_STACK")
    return Path(named) if named else stack_file(DEVELOPMENT)


def stack_file(name: str, checkout: Path = CHECKOUT) -> Path:
    return checkout / "var" / name / "stack.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    name: str
    checkout: Path
    state: Path
    """Where the servers keep their data; outside the checkout when their user cannot reach that."""
    ports: Mapping[str, int]
    passwords: Mapping[str, str] = field(repr=False)
    server_user: str | None
    """Who the servers run as when the command runs as root."""
    durable: bool = True
    """False: PostgreSQL skips fsync, which loses nothing as long as only processes are killed."""
    workers: tuple[str, ...] = ()
    """Test workers with a database, pooler aliases, Redis number and topics of their own."""

    @classmethod
    def load(cls, path: Path | str) -> Self:
        try:
            return cls._of(cast("dict[str, object]", json.loads(Path(path).read_text())))
        except FileNotFoundError:
            raise StackError(f"there is no stack at {path}: ./quartet up, or unset QUARTET_STACK") from None
        except (KeyError, TypeError, ValueError):
            raise StackError(f"{path} does not describe a stack") from None

    @classmethod
    def _of(cls, found: Mapping[str, object]) -> Self:
        ports = cast("dict[str, int]", found["ports"])
        return cls(
            name=str(found["name"]),
            checkout=Path(str(found["checkout"])),
            state=Path(str(found["state"])),
            # stacks of older checkouts lack the ports of parts that came later
            ports=port_layout(ports["gateway"]) | ports,
            passwords=cast("dict[str, str]", found["passwords"]),
            server_user=cast("str | None", found["server_user"]),
            durable=bool(found["durable"]),
            workers=tuple(cast("list[str]", found["workers"])),
        )

    @classmethod
    def current(cls) -> Self:
        return cls.load(current_file())

    def save(self, path: Path) -> None:
        content = asdict(self) | {"checkout": str(self.checkout), "state": str(self.state)}
        write_private(path, json.dumps(content, indent=2) + "\n", owner=Owner(None))

    def with_ports(self, base: int) -> Self:
        return replace(self, ports=port_layout(base))

    @property
    def certificates(self) -> Path:
        return self.state / "certs"

    @property
    def ca_file(self) -> Path:
        return self.certificates / "ca.crt"

    @property
    def logs(self) -> Path:
        return self.state / "logs"

    @property
    def cache(self) -> Path:
        """Downloads, shared by the stacks of this checkout."""
        return self.state.parent / "cache"

    @property
    def server_owner(self) -> Owner:
        return Owner(self.server_user)

    @property
    def gateway_url(self) -> str:
        return f"https://localhost:{self.ports['gateway']}"

    def log(self, part: str) -> Path:
        return self.logs / f"{part}.log"

    def folder(self, server: str) -> Path:
        return self.state / server

    def postgres_url(self, login: str, database: str, *, port: str = "postgres") -> str:
        """Of a login, straight to PostgreSQL or, with `port="pgbouncer"`, to an alias of the pooler."""
        address = f"{login}:{self.passwords[login]}@{HOST}:{self.ports[port]}"
        return f"postgresql://{address}/{database}?sslmode=verify-full&sslrootcert={self.ca_file}"

    def redis_url(self, user: str, number: int = 0) -> str:
        address = f"{user}:{self.passwords[f'redis_{user}']}@{HOST}:{self.ports['redis']}"
        return f"rediss://{address}/{number}"

    def process_environment(self, service: str, process: ProcessName, worker: str = "") -> dict[str, str]:
        """The environment of one process; `worker` moves it to what is set apart for that test worker."""
        common = {"ENVIRONMENT": "development" if self.name == "dev" else "test"}
        if process == "migrate":
            owner = self.postgres_url(f"{service}_owner", worker or DATABASE)
            return common | {"DATABASE_URL": owner, "DATABASE_POOLER": "none", "DATABASE_POOL_SIZE": "1"}
        return (
            common
            | self._database(service, process, worker)
            | self._redis(service, worker)
            | self._listeners(service, process)
            | (self._kafka(service, worker) if process == "worker" else self._tokens())
            | (self._keys() if service == "auth" else {})
            | (CHEAP_HASHES if (service, process) == ("auth", "api") and self.name != DEVELOPMENT else {})
            | (self._storage(service, worker) if service in _FILES else {})
            | (self._mail() | self._exports() if (service, process) == ("auth", "worker") else {})
        )

    def _database(self, service: str, process: str, worker: str) -> dict[str, str]:
        login = f"{service}_{process}"
        prefix = f"{worker}_" if worker else ""
        return {
            "DATABASE_URL": self.postgres_url(login, f"{prefix}{service}_{process}", port="pgbouncer"),
            "DATABASE_PROBE_URL": self.postgres_url(login, f"{prefix}{service}_probe", port="pgbouncer"),
            "DATABASE_POOLER": "transaction",
            "DATABASE_POOL_SIZE": str(POOL_SIZES[process]),
        }

    def _redis(self, service: str, worker: str) -> dict[str, str]:
        number = self.workers.index(worker) + 1 if worker else 0
        return {
            "REDIS_URL": self.redis_url(service, number),
            "REDIS_CA_FILE": str(self.ca_file),
            "REDIS_PREFIX": f"{service}:{worker}:" if worker else f"{service}:",
        }

    def _kafka(self, service: str, worker: str) -> dict[str, str]:
        return {
            "KAFKA_BOOTSTRAP": f"{HOST}:{self.ports['kafka']}",
            "KAFKA_CA_FILE": str(self.ca_file),
            "KAFKA_CERTIFICATE_FILE": str(self.certificates / f"{service}.crt"),
            "KAFKA_KEY_FILE": str(self.certificates / f"{service}.key"),
            "KAFKA_INSTALLATION": f"{worker}-" if worker else "",
        }

    def _listeners(self, service: str, process: str) -> dict[str, str]:
        http = self._http(service) if process == "api" else {}
        return http | {
            "INTERNAL_PORT": str(self.ports[f"{service}-{process}-internal"]),
            "INTERNAL_CA_FILE": str(self.ca_file),
            "INTERNAL_CERTIFICATE_FILE": str(self.certificates / f"{service}.crt"),
            "INTERNAL_KEY_FILE": str(self.certificates / f"{service}.key"),
            "PROBE_PORT": str(self.ports[f"{service}-{process}-probe"]),
            # one replica of each behind the gateway: there is nobody else to send requests to meanwhile
            "DRAIN_DELAY_SECONDS": "0.5",
            "DRAIN_GRACE_SECONDS": "12",
            "TELEMETRY_LOG_LEVEL": "info",
        }

    def _http(self, service: str) -> dict[str, str]:
        # made from what is there already: stacks of older checkouts have no password of this name
        key = hashlib.sha256(f"cursors of {service}: {self.passwords['encryption_key']}".encode()).digest()
        return {
            "HTTP_PORT": str(self.ports[f"{service}-api"]),
            "HTTP_CURSOR_KEYS": json.dumps([base64.b64encode(key).decode()]),
            "HTTP_TRUSTED_PROXIES": json.dumps([f"{HOST}/32"]),
            "HTTP_RATE_LIMITS": json.dumps(RATE_LIMITS.get(service, {})),
        }

    def _tokens(self) -> dict[str, str]:
        internal = f"https://{HOST}:{self.ports['auth-api-internal']}"
        return {"TOKEN_ISSUER": self.gateway_url, "TOKEN_JWKS_URL": f"{internal}/.well-known/jwks.json"}

    def _keys(self) -> dict[str, str]:
        encryption = {ENCRYPTION_KEY: self.passwords["encryption_key"]}
        return {"KEYS_ENCRYPTION": json.dumps(encryption), "KEYS_ACTIVE": ENCRYPTION_KEY}

    def _storage(self, service: str, worker: str) -> dict[str, str]:
        return {"STORAGE_FOLDER": str(self.folder(_FILES[service]) / (worker or "all"))}

    def _exports(self) -> dict[str, str]:
        internal = {
            entry.name: f"https://{HOST}:{self.ports[f'{entry.name}-api-internal']}" for entry in ENTRIES
        }
        return {"TOKEN_ISSUER": self.gateway_url, "EXPORTS_SERVICES": json.dumps(internal)}

    def _mail(self) -> dict[str, str]:
        return {
            "MAIL_HOST": HOST,
            "MAIL_PORT": str(self.ports["mail"]),
            "MAIL_TLS": "none",
            "MAIL_SENDER": "Quartet <no-reply@quartet.example>",
            "MAIL_CONSOLE_URL": self.gateway_url,
        }
