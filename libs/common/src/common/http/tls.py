"""TLS between the processes of one installation: its own authority, nobody else's."""

import ssl

from common.settings import InternalSettings


def internal_server_tls(settings: InternalSettings) -> ssl.SSLContext:
    """A client's certificate is optional here; the routes say who must show one, and whose."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(settings.certificate_file, settings.key_file)
    context.load_verify_locations(settings.ca_file)
    context.verify_mode = ssl.CERT_OPTIONAL
    return context


def internal_client_tls(settings: InternalSettings) -> ssl.SSLContext:
    """Trusts the installation's authority alone and shows this service's certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(settings.ca_file)
    context.load_cert_chain(settings.certificate_file, settings.key_file)
    return context
