"""Addresses that the shop names and we connect to: of the public internet, or nobody is called.

Whoever may name an address could otherwise make us ask what only we can reach: the metadata of the machine, a service
of the same network. A name is looked at twice: here as it is written, and again as what it stands for
(:mod:`jifen.adapters.hooks`).
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

URL_MAX = 1_000
"""Characters."""

_URL = re.compile(r"[\x21-\x7e]{1,1000}")
_HOST = re.compile(r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?)*\.?")

_TUNNELS = tuple(map(IPv6Network, ("64:ff9b::/96", "64:ff9b:1::/48", "2001::/32", "2002::/16", "::/96")))
"""IPv6 that stands for IPv4 addresses, whichever those are."""

_SPECIAL = tuple(map(ip_network, ("192.0.0.0/24", "192.88.99.0/24", "3fff::/20")))
"""Of special purposes (IANA's registries), which not every Python knows."""


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet; anything else is not, and neither is no address at all."""
    try:
        found: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped is not None:
            return is_public(str(found.ipv4_mapped))
        if any(found in network for network in _TUNNELS) or found.is_site_local:
            return False
    if any(found in network for network in _SPECIAL):
        return False
    return found.is_global and not (found.is_multicast or found.is_reserved or found.is_unspecified)


def problem_of(url: str, *, private: bool = False) -> str:
    """What keeps ``url`` from being an endpoint; empty where nothing does.

    Args:
        url: as it was named.
        private: whether http, and addresses that are not public, will do as well.
    """
    if not _URL.fullmatch(url):
        return f"is not a URL of at most {URL_MAX} visible ASCII characters"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "is not a URL"
    if parts.scheme != "https" and not (private and parts.scheme == "http"):
        return "is not an https URL"
    if parts.username is not None or parts.fragment or port == 0:
        return "names a user, a fragment or port 0; the signature says who calls"
    return _problem_of_host(parts, private=private)


def _problem_of_host(parts: SplitResult, *, private: bool) -> str:
    host = parts.hostname or ""
    if _is_address(host):
        return "" if private or is_public(host) else "names an address that is not public"
    if not _HOST.fullmatch(host):
        return "names no host"
    last = host.rstrip(".").rpartition(".")
    if not private and (not last[0] or last[2].isdigit() or last[2] in {"localhost", "internal", "local"}):
        return "names a host that is not public"
    return ""


def _is_address(host: str) -> bool:
    try:
        ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True
