"""Apache Kafka as one KRaft node: clients are known by certificate and may touch what an ACL names."""

import base64
import uuid
from pathlib import Path

from aiokafka import AIOKafkaClient

from quartet_cli.stack.asking import QUESTION_SECONDS, client_context, listens
from quartet_cli.stack.commands import run
from quartet_cli.stack.description import HOST, Stack
from quartet_cli.stack.files import make_folder, write_private
from quartet_cli.stack.jars import KAFKA
from quartet_cli.stack.part import Part
from quartet_cli.stack.prints import fingerprint
from quartet_cli.stack.versions import java_version, program

PROPERTIES = "server.properties"
LOGGING = "log4j2.xml"
MEMORY = (
    "-Xms48m",
    "-Xmx192m",
    "-Xss512k",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:MaxDirectMemorySize=64m",
    "-XX:-UsePerfData",
    "-XX:+ExitOnOutOfMemoryError",
)


def configuration(stack: Stack) -> str:
    folder = stack.folder("kafka")
    port, controller = stack.ports["kafka"], stack.ports["kafka-controller"]
    settings = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.bootstrap.servers": f"{HOST}:{controller}",
        "listeners": f"MTLS://{HOST}:{port},CONTROLLER://{HOST}:{controller}",
        "advertised.listeners": f"MTLS://{HOST}:{port}",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "MTLS",
        "listener.security.protocol.map": "CONTROLLER:SSL,MTLS:SSL",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": stack.certificates / "kafka.pem",
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": stack.ca_file,
        "ssl.client.auth": "required",
        "ssl.principal.mapping.rules": "RULE:^CN=([^,]+).*$/$1/,DEFAULT",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:kafka;User:operator",
        "allow.everyone.if.no.acl.found": "false",
        "auto.create.topics.enable": "false",
        "log.dirs": folder / "data",
        "num.partitions": 3,
        "offsets.topic.replication.factor": 1,
        "offsets.topic.num.partitions": 4,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "transaction.state.log.num.partitions": 4,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        "share.coordinator.state.topic.num.partitions": 1,
        "group.initial.rebalance.delay.ms": 0,
        # a consumer that was killed is noticed within a second or two when it asks for that
        "group.min.session.timeout.ms": 1000,
        "log.segment.bytes": 16 * 1024 * 1024,
        # its default of 128 MB does not fit into the heap
        "log.cleaner.dedupe.buffer.size": 16 * 1024 * 1024,
        "log.cleaner.threads": 1,
        "num.network.threads": 2,
        "num.io.threads": 2,
        "background.threads": 2,
        "log.index.size.max.bytes": 1024 * 1024,
        # after a kill the node waits for its own old registration to run out: 9 s by default
        "broker.session.timeout.ms": 2000,
        "broker.heartbeat.interval.ms": 500,
    }
    return "".join(f"{name}={value}\n" for name, value in settings.items())


def kafka_part(stack: Stack) -> Part:
    folder = stack.folder("kafka")
    text = configuration(stack)

    async def prepare() -> None:
        write_private(folder / PROPERTIES, text, owner=stack.server_owner)
        write_private(folder / LOGGING, (KAFKA.files / LOGGING).read_text(), owner=stack.server_owner)
        make_folder(folder / "tmp", owner=stack.server_owner)
        make_folder(_archive(stack).parent, owner=stack.server_owner)
        write_private(folder / "java.options", java_options(stack), owner=stack.server_owner)
        if not (folder / "data" / "meta.properties").exists():
            await _format(stack)

    async def ready() -> bool:
        return await listens(HOST, stack.ports["kafka"]) and await _knows_itself(stack)

    return Part(
        name="kafka",
        command=(program("java"), f"@{folder / 'java.options'}", "kafka.Kafka", str(folder / PROPERTIES)),
        needs=("kafka-jars",),
        cwd=folder,
        user=stack.server_user,
        log=stack.log("kafka"),
        prepare=prepare,
        ready=ready,
        # the first orderly end writes the archive of classes
        stop_seconds=45,
        ready_seconds=120,
        fingerprint=lambda: fingerprint(text, KAFKA.lock.read_text(), certificates=stack.certificates),
        ports=(stack.ports["kafka"], stack.ports["kafka-controller"]),
    )


async def _knows_itself(stack: Stack) -> bool:
    """The cluster's metadata names a broker that takes requests."""
    context = client_context(stack.ca_file)
    context.load_cert_chain(stack.certificates / "operator.crt", stack.certificates / "operator.key")
    client = AIOKafkaClient(
        bootstrap_servers=f"{HOST}:{stack.ports['kafka']}",
        client_id="readiness",
        security_protocol="SSL",
        ssl_context=context,
        request_timeout_ms=QUESTION_SECONDS * 1000,
    )
    try:
        await client.bootstrap()
        return bool(client.cluster.brokers())
    finally:
        await client.close()


def java_options(stack: Stack) -> str:
    """The archive of loaded classes is written at the first orderly end and halves every start after it."""
    folder = stack.folder("kafka")
    archive = _archive(stack)
    sharing = "SharedArchiveFile" if archive.exists() else "ArchiveClassesAtExit"
    options = (
        *MEMORY,
        f"-XX:{sharing}={archive}",
        # a stale archive is a reason to load classes one by one, not to complain on every start
        "-Xshare:auto",
        "-Xlog:cds=off",
        "-Xlog:cds+dynamic=off",
        f"-Djava.io.tmpdir={folder / 'tmp'}",
        f"-Dlog4j2.configurationFile={folder / LOGGING}",
        f"-Dkafka.logs.dir={folder}",
        "-cp",
        KAFKA.classpath(stack.cache),
    )
    return "".join('"' + option.replace("\\", "\\\\") + '"\n' for option in options)


def _archive(stack: Stack) -> Path:
    """Of the classes that a broker loads, for these jars and this Java."""
    identity = fingerprint(
        KAFKA.classpath(stack.cache), KAFKA.lock.read_text(), java_version() or "", *MEMORY
    )
    return stack.cache / "kafka-classes" / f"{identity[:16]}.jsa"


async def _format(stack: Stack) -> None:
    """Its output is not kept: the tool may print credentials."""
    folder = stack.folder("kafka")
    identity = base64.urlsafe_b64encode(b"q" + uuid.uuid4().bytes[1:]).decode().rstrip("=")
    await run(
        program("java"),
        *MEMORY,
        f"-Djava.io.tmpdir={folder / 'tmp'}",
        "-cp",
        KAFKA.classpath(stack.cache),
        "kafka.tools.StorageTool",
        "format",
        "--cluster-id",
        identity,
        "--config",
        str(folder / PROPERTIES),
        "--standalone",
        "--ignore-formatted",
        user=stack.server_user,
        cwd=folder,
    )
