"""The certificates for HTTPS: a certificate authority, and a certificate for the names of this machine.

The authority's key is deleted after signing. So a client that trusts the authority trusts only this sandbox.
"""

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from auth0_sandbox.errors import SandboxError, reason

# the environment variables of curl, Node, and Python's httpx and requests for trusted authorities
TRUST = ("SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE")
LIFETIME = timedelta(days=397)  # the maximum lifetime that browsers and operating systems accept
RENEWAL = timedelta(days=30)  # the time before the expiry at which certificates are renewed
SKEW = timedelta(days=1)  # the allowed error of another machine's clock
NAMES = (x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1")), x509.IPAddress(ip_address("::1")))
PRIVATE = 0o600
READABLE = 0o644

Key = ec.EllipticCurvePrivateKey
PublicKey = ec.EllipticCurvePublicKey


@dataclass(frozen=True, slots=True)
class Certificates:
    """The certificate files. Clients trust `authority`. `server` contains the key and both certificates (mode 0600)."""

    authority: Path
    server: Path

    @property
    def trust(self) -> Mapping[str, str]:
        """The environment variables that make clients trust the authority."""
        return dict.fromkeys(TRUST, str(self.authority))


def certificates(database: Path, now: datetime, custom_domain: str | None = None) -> Certificates:
    """Return the certificates next to a database.

    Certificates are created on first use and renewed before they expire.

    The certificates are also valid for the custom domain of the tenant. New certificates are created if the custom
    domain changes.

    Raises:
        SandboxError: if the files cannot be written.
    """
    folder = database.parent.absolute()
    files = Certificates(folder / f"{database.stem}-ca.pem", folder / f"{database.stem}-tls.pem")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not _is_good(files.server, now, custom_domain):
            _write(files.server, _new(now, custom_domain))
        # read the file again, because another process may have been faster, and both files must match
        authority = x509.load_pem_x509_certificates(files.server.read_bytes())[-1]
        _write(files.authority, authority.public_bytes(Encoding.PEM), READABLE)
    except OSError as error:
        raise SandboxError(f"cannot store certificates next to {database}: {reason(error)}") from error
    return files


def _is_good(server: Path, now: datetime, custom_domain: str | None) -> bool:
    try:
        chain = x509.load_pem_x509_certificates(server.read_bytes())
        names = chain[0].extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (FileNotFoundError, ValueError, x509.ExtensionNotFound):
        return False
    is_current = all(each.not_valid_before_utc <= now < each.not_valid_after_utc - RENEWAL for each in chain)
    return is_current and list(names) == _names(custom_domain)


def _names(custom_domain: str | None) -> list[x509.GeneralName]:
    return [*NAMES, *([x509.DNSName(custom_domain)] if custom_domain else [])]


def _new(now: datetime, custom_domain: str | None) -> bytes:
    """Return a new key, its certificate, and the certificate of a new authority, as PEM."""
    authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority = _authority(authority_key, now, custom_domain)
    names = x509.SubjectAlternativeName(_names(custom_domain))
    certificate = _certificate(key.public_key(), names, authority, authority_key, now)
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return secret + certificate.public_bytes(Encoding.PEM) + authority.public_bytes(Encoding.PEM)


def _authority(key: Key, now: datetime, custom_domain: str | None) -> x509.Certificate:
    """Return the certificate of an authority that may sign only for this machine and the custom domain."""
    name = _name("reconciler sandbox authority")
    networks = (x509.IPAddress(ip_network("127.0.0.1/32")), x509.IPAddress(ip_network("::1/128")))
    domains = [x509.DNSName(name) for name in ("localhost", custom_domain) if name]
    permitted = x509.NameConstraints([*domains, *networks], None)
    builder = (
        _builder(key.public_key(), name, now)
        .issuer_name(name)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(permitted, critical=True)
    )
    return builder.sign(key, SHA256())


def _certificate(
    key: PublicKey, names: x509.SubjectAlternativeName, authority: x509.Certificate, authority_key: Key, now: datetime
) -> x509.Certificate:
    """Return the certificate of a server on this machine."""
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
    builder = (
        _builder(key, _name("reconciler sandbox"), now)
        .issuer_name(authority.subject)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(names, critical=False)
        .add_extension(issuer, critical=False)
    )
    return builder.sign(authority_key, SHA256())


def _builder(key: PublicKey, subject: x509.Name, now: datetime) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now - SKEW + LIFETIME)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _write(path: Path, content: bytes, mode: int = PRIVATE) -> None:
    """Write a file completely or not at all."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    Path(name).chmod(mode)
    Path(name).replace(path)
