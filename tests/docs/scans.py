"""What our source does that an inventory must tell of: found in the syntax tree, not remembered."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src" / "misentinel"
_CRYPTO = re.compile(
    r"(hashlib|hmac|secrets|random|ssl|argon2|jwt|nacl|Crypto|cryptography|django\.utils\.crypto|django\.core\.signing"
    r"|django\.contrib\.auth\.hashers|allauth\.core\.internal\.cryptokit|allauth\.mfa\.totp\.internal\.auth)(\.|$)"
)
# Names that bring no primitive with them: exceptions, types, ways to read and write keys, options of TLS.
_PLAIN = re.compile(
    r".*(Error|Errors|InvalidTag|UnsupportedAlgorithm|InvalidSignature|SSLSocket|WantRead|Encoding|Format|NoEncryption|OID|UNUSABLE_PASSWORD_PREFIX"
    r"|OP_[A-Z_]+|CERT_[A-Z]+|VERIFY_[A-Z_]+|TLSVersion|Purpose|Options|DER_cert_to_PEM_cert|PublicKey|PrivateKey)$"
)
_NAMESPACES = {"hashes", "ec", "rsa", "padding", "algorithms", "modes", "ed25519", "x25519"}
_RUNS = {"eval", "exec", "compile", "__import__"}
_DANGEROUS = {"subprocess", "ctypes", "pickle", "marshal", "shelve", "pty", "code"}
_OPENS = {
    "psycopg.connect", "socket.create_connection", "smtplib.SMTP", "smtplib.SMTP_SSL", "boto3.client", "boto3.Session",
    "http.client.HTTPConnection", "http.client.HTTPSConnection", "urllib.request.urlopen", "requests.get",
    "requests.post", "requests.Session", "httpx.Client", "asyncio.open_connection", "socket.socket", "HTTPSConnection",
}  # fmt: skip


def sources(root: Path = SOURCE) -> Iterator[tuple[str, ast.Module]]:
    """Every file of the program, without tests and migrations."""
    for path in sorted(root.rglob("*.py")):
        relative = path.relative_to(root).as_posix()
        if "/tests/" not in relative and "/migrations/" not in relative:
            yield relative, ast.parse(path.read_text())


def cryptography_in(tree: ast.AST) -> set[str]:
    """The primitives that a file names, by their last name: `sha256`, `AESGCM`, `token_urlsafe`."""
    modules, found = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and _CRYPTO.match(f"{node.module}."):
            modules |= {alias.asname or alias.name for alias in node.names if alias.name in _NAMESPACES}
            found |= {alias.name for alias in node.names} - _NAMESPACES
        if isinstance(node, ast.Import):
            modules |= {alias.asname or alias.name for alias in node.names if _CRYPTO.match(f"{alias.name}.")}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
            found.add(node.attr)
    return {
        name for name in found if not _PLAIN.match(name) and name not in {"serialization", "x509", "default_backend"}
    }


def dangers_in(tree: ast.AST) -> set[str]:
    """Ways to run something else or to trust text: processes, native calls, evaluation, markup said to be safe."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name in _DANGEROUS}
        if isinstance(node, ast.ImportFrom):
            found |= {node.module} & _DANGEROUS if node.module else set()
            found |= {"mark_safe"} & {alias.name for alias in node.names}
        if isinstance(node, ast.Call):
            name = dotted(node.func)
            if name in _RUNS or name in {"os.system", "os.popen", "os.execv", "os.execve", "yaml.load", "os.fork"}:
                found.add(name)
            if name.endswith("import_module") and not (node.args and isinstance(node.args[0], ast.Constant)):
                found.add("import_module")
    return found


def connections_in(tree: ast.AST) -> set[str]:
    """Calls that open a connection to somewhere."""
    return {dotted(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)} & _OPENS


def dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}".lstrip(".")
    return node.id if isinstance(node, ast.Name) else ""
