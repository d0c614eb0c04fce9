"""Create certificates for mutual TLS between the components of the storage server."""

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

# Certificates are replaced at each start, so they only need to be valid while the process runs.
VALID_FOR = timedelta(days=3650)
CLOCK_SKEW = timedelta(days=1)


@dataclass(frozen=True)
class Certificates:
    folder: Path

    @property
    def authority(self) -> Path:
        return self.folder / "ca.pem"

    @property
    def certificate(self) -> Path:
        return self.folder / "cert.pem"

    @property
    def key(self) -> Path:
        return self.folder / "key.pem"

    def create(self) -> None:
        """Write a CA certificate, and a certificate and key for 127.0.0.1. The files have mode 600.

        The CA's key is discarded, so the CA cannot sign any other certificates.
        """
        authority_key = ec.generate_private_key(ec.SECP256R1())
        authority = _builder("ca", authority_key).add_extension(x509.BasicConstraints(True, 0), critical=True)
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = (
            _builder("127.0.0.1", key)
            .add_extension(_loopback(), critical=False)
            .add_extension(_both_ends(), critical=False)
        )
        self.folder.mkdir(mode=0o700, exist_ok=True)
        _write(self.authority, _signed(authority, authority_key))
        _write(self.certificate, _signed(certificate, authority_key))
        _write(self.key, _key_bytes(key))


def _builder(name: str, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name("ca"))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + VALID_FOR)
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _loopback() -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])


def _both_ends() -> x509.ExtendedKeyUsage:
    return x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])


def _signed(builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey) -> bytes:
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _key_bytes(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(path: Path, content: bytes) -> None:
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_bytes(content)
