"""JSON Web Tokens as PyJWT and cryptography see them: a second opinion that shares no code with Claviger.

Reads one JSON document from standard input and writes one to standard output.

    jose.py verify  {"jwks": URL, "tokens": [TOKEN, ...], "secrets": {KID: SECRET, ...},
                     "audience": AUDIENCE or null, "issuer": ISSUER or null}
                    -> one member per token: its claims, or the name of what is wrong as a string
    jose.py sign    [{"alg": ..., "kid": ..., "key": PEM or secret, "claims": {...}}, ...]
                    -> [TOKEN, ...]

The key set is fetched once, over HTTP. A kid in "secrets" is one of an HMAC key, which no key set has.
"""

import json
import sys
import urllib.request

import jwt
from jwt.algorithms import OKPAlgorithm

# Older versions of PyJWT know the algorithm by its older name only (RFC 8037; RFC 9864).
try:
    jwt.register_algorithm("Ed25519", OKPAlgorithm())
except ValueError:
    pass


def fetch(url):
    """The public keys behind the URL, by kid, each with its algorithm."""
    # No proxy of the environment: the server is on this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=60) as answer:
        document = json.load(answer)
    keys = {}
    for jwk in document["keys"]:
        name = jwk["alg"]
        parsed = jwt.PyJWK.from_dict(jwk, algorithm="EdDSA" if name == "Ed25519" else name)
        keys[jwk["kid"]] = (parsed.key, name)
    return keys


def verify(request):
    """What each token claims, if it is right."""
    keys = fetch(request["jwks"])
    for kid, secret in request["secrets"].items():
        if kid in keys:
            raise ValueError("an HMAC key is in the key set")
        keys[kid] = (secret, None)

    def read(token):
        header = jwt.get_unverified_header(token)
        key, name = keys[header["kid"]]
        algorithms = [name] if name else ["HS256", "HS384", "HS512"]
        try:
            return jwt.decode(
                token,
                key,
                algorithms=algorithms,
                audience=request["audience"],
                issuer=request["issuer"],
                options={"require": ["exp", "iat", "jti"]},
            )
        except jwt.InvalidTokenError as error:
            return type(error).__name__

    return [read(token) for token in request["tokens"]]


def sign(requests):
    """The tokens that are asked for."""
    return [
        jwt.encode(wanted["claims"], wanted["key"], algorithm=wanted["alg"], headers={"kid": wanted["kid"]})
        for wanted in requests
    ]


if __name__ == "__main__":
    work = {"verify": verify, "sign": sign}[sys.argv[1]]
    json.dump(work(json.load(sys.stdin)), sys.stdout)
