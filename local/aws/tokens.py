"""Tokens of the stack's own user pool, got the way an application gets them.

A machine (`shop`, `operator`, `admin`) has a client of its own with a secret, and asks with it. A member signs in
through the hosted pages and the code flow with PKCE: only that gives the scope `points/member`, here as on AWS.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import secrets
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from botocore.exceptions import ClientError, ParamValidationError

from local.aws.completing import Clients
from local.aws.errors import TokenRefused
from local.aws.web import Answer, ask

MACHINES = ("shop", "operator", "admin")
_FORM = {"content-type": "application/x-www-form-urlencoded"}


def machine_token(clients: Clients, endpoint: str, pool: str, client_id: str) -> str:
    """Get an access token with a client's own secret, with every scope that the client has. Raises TokenRefused."""
    client = _client(clients, pool, client_id)
    keys = base64.b64encode(f"{client_id}:{client['ClientSecret']}".encode()).decode()
    form = {"grant_type": "client_credentials", "scope": " ".join(client["AllowedOAuthScopes"])}
    return _access_token(_post(f"{endpoint}/oauth2/token", form, {"authorization": f"Basic {keys}"}))


def member_token(clients: Clients, endpoint: str, pool: str, client_id: str, member: str) -> str:
    """Make the user `member` where there is none yet, sign in as that user, and give the access token.

    The user's name is the member id; the password is a new one each time and kept nowhere. Raises TokenRefused.
    """
    client = _client(clients, pool, client_id)
    password = _new_user(clients("cognito-idp"), pool, member)
    verifier = secrets.token_urlsafe(48)
    request = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": client["CallbackURLs"][0],
        "scope": " ".join(client["AllowedOAuthScopes"]),
        "state": secrets.token_urlsafe(16),
        "code_challenge": base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode(),
        "code_challenge_method": "S256",
    }
    page = _ask("GET", f"{endpoint}/oauth2/authorize?{urlencode(request)}")
    if page.status != http.client.OK:
        raise TokenRefused(f"the sign-in page was not shown: {_said(page)}")
    redirect = _post(f"{endpoint}/login", {**request, "username": member, "password": password})
    back = parse_qs(urlsplit(redirect.headers.get("location", "")).query)
    if redirect.status != http.client.FOUND or back.get("state") != [request["state"]] or "code" not in back:
        raise TokenRefused(f"{member} could not sign in: {_said(redirect)}")
    form = {
        "grant_type": "authorization_code",
        "client_id": client_id,
        "redirect_uri": request["redirect_uri"],
        "code": back["code"][0],
        "code_verifier": verifier,
    }
    return _access_token(_post(f"{endpoint}/oauth2/token", form))


def _client(clients: Clients, pool: str, client_id: str) -> dict[str, Any]:
    answer = clients("cognito-idp").describe_user_pool_client(UserPoolId=pool, ClientId=client_id)
    client: dict[str, Any] = answer["UserPoolClient"]
    return client


def _new_user(cognito: Any, pool: str, member: str) -> str:
    password = f"Aa1!{secrets.token_urlsafe(24)}"
    address = f"{hashlib.sha256(member.encode()).hexdigest()[:16]}@member.example"
    attributes = [{"Name": "email", "Value": address}, {"Name": "email_verified", "Value": "true"}]
    try:
        cognito.admin_create_user(UserPoolId=pool, Username=member, UserAttributes=attributes, MessageAction="SUPPRESS")
    except ParamValidationError as error:
        raise TokenRefused(f"{member!r} cannot be a user of the pool: {error}") from error
    except ClientError as error:
        if error.response["Error"]["Code"] != "UsernameExistsException":
            raise TokenRefused(f"{member!r} cannot be a user of the pool: {error}") from error
    cognito.admin_set_user_password(UserPoolId=pool, Username=member, Password=password, Permanent=True)
    return password


def _post(url: str, form: dict[str, str], headers: dict[str, str] | None = None) -> Answer:
    return _ask("POST", url, {**_FORM, **(headers or {})}, urlencode(form).encode())


def _ask(method: str, url: str, headers: dict[str, str] | None = None, body: bytes | None = None) -> Answer:
    try:
        return ask(method, url, headers, body)
    except (OSError, http.client.HTTPException) as error:
        raise TokenRefused(f"the user pool does not answer: {error}") from error


def _access_token(answer: Answer) -> str:
    if answer.status != http.client.OK:
        raise TokenRefused(f"the user pool refused: {_said(answer)}")
    return str(json.loads(answer.body)["access_token"])


def _said(answer: Answer) -> str:
    text = answer.body.decode(errors="replace").strip()
    return f"{answer.status} {text[:300]}"
