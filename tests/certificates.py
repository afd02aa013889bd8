"""Authorities and certificates made for one test by openssl; their keys exist as long as the test's folder."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

_EC = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]


def _openssl(*arguments: str) -> None:
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


@dataclass(frozen=True)
class Certificate:
    """A certificate and its key, each in a PEM file."""

    certificate: Path
    key: Path

    def store(self) -> Path:
        """Write both into one file, which Java accepts as a key store of type PEM."""
        store = self.key.with_suffix(".store.pem")
        store.write_text(self.key.read_text() + self.certificate.read_text())
        return store


class Authority:
    """A certificate authority."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._own = Certificate(folder / f"{name}.pem", folder / f"{name}.key")
        _key(self._own.key)
        _openssl(
            *("req", "-x509", "-new", "-key", str(self._own.key), "-out", str(self._own.certificate)),
            *("-days", "2", "-subj", f"/CN={name}"),
            *("-addext", "keyUsage=critical,keyCertSign,cRLSign"),
        )

    @property
    def ca(self) -> Path:
        return self._own.certificate

    def issue(self, name: str, *, address: str = "") -> Certificate:
        """Issue a certificate for a name and an address."""
        made = Certificate(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        request, extensions = self._folder / f"{name}.csr", self._folder / f"{name}.ext"
        _key(made.key)
        extensions.write_text(
            "keyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth,clientAuth\n"
            + (f"subjectAltName=IP:{address}\n" if address else "")
        )
        _openssl("req", "-new", "-key", str(made.key), "-out", str(request), "-subj", f"/CN={name}")
        _openssl(
            *("x509", "-req", "-in", str(request), "-out", str(made.certificate), "-days", "2"),
            *("-CA", str(self.ca), "-CAkey", str(self._own.key), "-CAcreateserial"),
            *("-extfile", str(extensions)),
        )
        return made


def _key(path: Path) -> None:
    _openssl("genpkey", *_EC, "-out", str(path))
    path.chmod(0o600)
