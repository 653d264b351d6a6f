"""TLS by Python's own library: for the log's server, the embedded client, and checks beforehand."""

import ssl
from datetime import UTC, datetime
from pathlib import Path
from ssl import SSLError
from typing import TypeGuard

from nsml_core import tls
from nsml_core.errors import Invalid, Refused, Unavailable
from nsml_core.settings import Settings
from nsml_core.tls import Tls

__all__ = ["SSLError", "check", "check_listens", "context", "is_wanted", "refusal"]

_EXPIRED = 10  # OpenSSL's X509_V_ERR_…
_NOT_YET = 9
_OTHER_NAME = {62, 64}  # of a host, of an address


def context(secured: Tls) -> ssl.SSLContext:
    """Return what the client's end of a connection needs: whom to trust, and what to show."""
    if secured.ca is None:
        made = ssl.create_default_context()
    else:
        try:
            made = ssl.create_default_context(cafile=secured.ca)
        except (OSError, SSLError) as error:
            raise _unusable("NSML_TLS_CA", secured.ca, error) from None
    if secured.cert and secured.key:
        _load_own(made, secured.cert, secured.key)
    return made


def check(secured: Tls) -> None:
    """Refuse certificates that a service cannot serve with."""
    context(secured)
    if secured.client_ca:
        try:
            ssl.create_default_context(cafile=secured.client_ca)
        except (OSError, SSLError) as error:
            raise _unusable("NSML_TLS_CLIENT_CA", secured.client_ca, error) from None
    if secured.cert:
        ends = _expiry(secured.cert)
        if ends < datetime.now(UTC):
            raise Invalid(
                f"The certificate {secured.cert} (NSML_TLS_CERT) expired on {ends:%Y-%m-%d}: put a "
                "new one in its place."
            )


def check_listens(name: str, config: Settings) -> None:
    """Refuse to show what is said to everybody on the way, and certificates that are no good."""
    exposed = [address for address in config.listens(name) if not tls.is_local(address)]
    has_certificate = config.tls is not None and config.tls.cert is not None
    if exposed and not has_certificate and not config.allow_plaintext:
        raise Refused(
            f"{name} is to listen on {exposed[0]}, where everybody on the way could read what is "
            "said: set NSML_TLS_CERT and NSML_TLS_KEY, or NSML_ALLOW_PLAINTEXT=yes."
        )
    if config.tls is not None:
        check(config.tls)


def _expiry(cert: Path) -> datetime:
    from cryptography import x509  # noqa: PLC0415 - only services with a certificate need it

    return x509.load_pem_x509_certificate(cert.read_bytes()).not_valid_after_utc


def _load_own(made: ssl.SSLContext, cert: Path, key: Path) -> None:
    try:
        made.load_cert_chain(cert, key, password=_no_password)
    except (OSError, SSLError, ValueError) as error:
        if isinstance(error, SSLError) and error.reason == "KEY_VALUES_MISMATCH":
            raise Invalid(
                f"{key} (NSML_TLS_KEY) is not the key of the certificate {cert} (NSML_TLS_CERT)."
            ) from None
        raise _unusable("NSML_TLS_CERT and NSML_TLS_KEY", cert, error) from None


def _no_password() -> str:
    """Never ask for one at a terminal."""
    raise ValueError("the key is kept under a password")


def _unusable(setting: str, file: Path, error: Exception) -> Invalid:
    if isinstance(error, SSLError):
        why = "there is no certificate in it that can be read"
    else:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return Invalid(f"{file} ({setting}) cannot be used: {why}.")


def refusal(who: str, address: str, secured: Tls, error: Exception) -> Unavailable:
    """Return what to say when the two ends do not come to terms."""
    if isinstance(error, ssl.SSLCertVerificationError):
        what = _distrust(secured, address, error.verify_code)
    else:
        what = _disagreement(secured, error)
    return Unavailable(f"The {who} service at {address} {what}")


def _distrust(secured: Tls, address: str, code: int) -> str:
    """Say what is wrong with the certificate that was shown."""
    if code == _EXPIRED:
        return "shows a certificate that has expired: renew it there."
    if code == _NOT_YET:
        return "shows a certificate of the future: set the clocks right."
    if code in _OTHER_NAME:
        return (
            f"shows a certificate that is not for {secured.expected(address)}: ask for it by a "
            "name in its certificate, or set NSML_TLS_NAME to one."
        )
    return (
        f"shows a certificate of a CA that is not in {secured.ca or 'what this machine trusts'}: "
        "set NSML_TLS_CA to the platform's CA."
    )


def _disagreement(secured: Tls, error: Exception) -> str:
    """Say why the other end went away."""
    reason = (error.reason or "") if isinstance(error, SSLError) else ""
    if "CERTIFICATE_REQUIRED" in reason:
        return "wants to see a certificate: set NSML_TLS_CERT and NSML_TLS_KEY to yours."
    if "UNKNOWN_CA" in reason:
        return f"does not know the CA of your certificate, {secured.cert}."
    return f"does not speak TLS ({error}): unset NSML_TLS_CA if it is to be reached without."


def is_wanted(secured: Tls | None, url: str) -> TypeGuard[Tls]:
    """Tell whether a server of this URL is spoken to by TLS: whenever it is across a network."""
    return secured is not None and (url.startswith("tls:") or not tls.is_local(url))
