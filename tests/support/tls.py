import ssl

from quartet_cli.stack import Stack


def client_context(stack: Stack, name: str | None = None) -> ssl.SSLContext:
    """Trusts the stack's authority; with a name it also shows that certificate."""
    context = ssl.create_default_context(cafile=str(stack.ca_file))
    if name:
        context.load_cert_chain(stack.certificates / f"{name}.crt", stack.certificates / f"{name}.key")
    return context
