"""Certificates for places without a CA: one of their own, and what it vouches for."""

import ipaddress
import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from nsml_core.errors import Damaged, Invalid
from nsml_core.tls import SHARED_NAME

_HOST = re.compile(r"(\*\.)?[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")
_CA_DAYS = 3650
_EARLY = timedelta(minutes=5)
"""Clocks differ: a certificate is good from so much before it was made."""

_NAME_MAX = 64  # of a common name, by X.509


@dataclass(frozen=True)
class Authority:
    """A CA, which lies as `ca.pem` and `ca.key` in a folder."""

    folder: Path
    cert: x509.Certificate
    key: EllipticCurvePrivateKey

    def vouch_for_host(self, host: str, days: int) -> Path:
        """Write the certificate of a machine's services, and its key; one there is renewed."""
        names = dict.fromkeys([_general_name(host), x509.DNSName(SHARED_NAME)])
        usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        return self._write(host, x509.SubjectAlternativeName(names), usages, days)

    def vouch_for_client(self, name: str, days: int) -> Path:
        """Write a certificate with which nobody can serve: a person's."""
        names = x509.SubjectAlternativeName([_general_name(name)])
        return self._write(name, names, [ExtendedKeyUsageOID.CLIENT_AUTH], days)

    def _write(
        self,
        name: str,
        names: x509.SubjectAlternativeName,
        usages: list[x509.ObjectIdentifier],
        days: int,
    ) -> Path:
        key = generate_private_key(SECP256R1())
        builder = _builder(name, self.cert.subject, key, days)
        builder = builder.add_extension(names, critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), False
        )
        file = self.folder / f"{name.replace('*', '_')}.pem"
        _replace(file.with_suffix(".key"), _pem_of_key(key))
        _replace(file, builder.sign(self.key, hashes.SHA256()).public_bytes(_PEM))
        return file


_PEM = serialization.Encoding.PEM


def open_authority(folder: Path) -> Authority:
    """Return the CA of a folder; made if there is none."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    cert, key = folder / "ca.pem", folder / "ca.key"
    if not cert.exists() and not key.exists():
        return _make(folder)
    try:
        found = x509.load_pem_x509_certificate(cert.read_bytes())
        secret = serialization.load_pem_private_key(key.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise Damaged(
            f"{cert} and {key} are no CA of ours ({error}): choose another folder."
        ) from None
    if not isinstance(secret, EllipticCurvePrivateKey) or secret.public_key() != found.public_key():
        raise Damaged(f"{key} is not the key of {cert}: choose another folder.")
    return Authority(folder, found, secret)


def _make(folder: Path) -> Authority:
    key = generate_private_key(SECP256R1())
    subject = _named("NSML CA")
    builder = _builder("NSML CA", subject, key, _CA_DAYS)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_CA_USAGE, critical=True)
    builder = builder.add_extension(
        x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
    )
    cert = builder.sign(key, hashes.SHA256())
    _replace(folder / "ca.key", _pem_of_key(key))
    _replace(folder / "ca.pem", cert.public_bytes(_PEM))
    return Authority(folder, cert, key)


_CA_USAGE = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


def _builder(
    name: str, issuer: x509.Name, key: EllipticCurvePrivateKey, days: int
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_named(name))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(min(now, now + timedelta(days=days)) - _EARLY)
        .not_valid_after(now + timedelta(days=days))
    )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:_NAME_MAX])])


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        if not _HOST.fullmatch(host):
            raise Invalid(
                f"'{host}' is no host: write a name or an address, without a port."
            ) from None
        return x509.DNSName(host)


def _pem_of_key(key: EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def _replace(file: Path, content: bytes) -> None:
    """Write a file for its owner alone; whoever reads it meanwhile reads the old one whole."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    draft.touch(mode=0o600)
    draft.write_bytes(content)
    draft.replace(file)
