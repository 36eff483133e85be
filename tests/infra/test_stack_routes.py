"""Who may call which route: this table and docs/API agree, and the deployed API is this table."""

from __future__ import annotations

from typing import Any

from infra.expand import expand

ANYONE = None
ALL = ["points/member", "points/shop", "points/operator", "points/admin"]
SHOP = ["points/shop", "points/operator", "points/admin"]
OPERATOR = ["points/operator", "points/admin"]
ADMIN = ["points/admin"]
TAKES_PART = ["points/member", "points/shop"]

ROUTES = {
    ("post", "/webhooks/{source}"): ANYONE,
    ("get", "/v1/members/{id}"): ALL,
    ("get", "/v1/members/{id}/lots"): ALL,
    ("get", "/v1/members/{id}/entries"): ALL,
    ("get", "/v1/members/{id}/proof"): ALL,
    ("put", "/v1/members/{id}/contact"): ALL,
    ("post", "/v1/members/{id}/redemptions"): ALL,
    ("post", "/v1/redemptions/{id}/restore"): SHOP,
    ("post", "/v1/members/{id}/holds"): ALL,
    ("post", "/v1/holds/{id}/capture"): SHOP,
    ("post", "/v1/holds/{id}/void"): SHOP,
    ("post", "/v1/events"): ["points/shop"],
    ("post", "/v1/members/{id}/check-ins"): ALL,
    ("post", "/v1/members/{id}/check-ins/make-up"): ALL,
    ("get", "/v1/members/{id}/check-ins"): ALL,
    ("get", "/v1/members/{id}/tasks"): ALL,
    ("get", "/v1/members/{id}/tier"): ALL,
    ("get", "/v1/members/{id}/profile"): ALL,
    ("put", "/v1/members/{id}/profile"): SHOP,
    ("post", "/v1/reviews/{id}/{event_id}/approve"): OPERATOR,
    ("post", "/v1/reviews/{id}/{event_id}/reject"): OPERATOR,
    ("get", "/v1/program"): OPERATOR,
    ("put", "/v1/program"): ADMIN,
    ("post", "/v1/rulesets"): OPERATOR,
    ("get", "/v1/rulesets"): OPERATOR,
    ("get", "/v1/rulesets/{id}"): OPERATOR,
    ("post", "/v1/rulesets/{id}/publish"): ADMIN,
    ("post", "/v1/rulesets/{id}/roll-back"): ADMIN,
    ("post", "/v1/rulesets/{id}/simulate"): OPERATOR,
    ("get", "/v1/campaign-templates"): OPERATOR,
    ("get", "/v1/campaigns"): OPERATOR,
    ("post", "/v1/campaigns"): OPERATOR,
    ("get", "/v1/campaigns/{id}"): OPERATOR,
    ("post", "/v1/campaigns/{id}/schedule"): OPERATOR,
    ("post", "/v1/campaigns/{id}/pause"): OPERATOR,
    ("post", "/v1/campaigns/{id}/resume"): OPERATOR,
    ("post", "/v1/campaigns/{id}/end"): OPERATOR,
    ("post", "/v1/campaigns/{id}/cancel"): OPERATOR,
    ("get", "/v1/audit"): OPERATOR,
    ("get", "/v1/reviews"): OPERATOR,
    ("post", "/v1/quotes"): ALL,
    ("post", "/v1/members/{id}/transfers"): ALL,
    ("get", "/v1/members/{id}/transfers"): ALL,
    ("get", "/v1/transfers/{id}"): ALL,
    ("post", "/v1/transfers/{id}/cancel"): ALL,
    ("get", "/v1/members/{id}/points-password"): ALL,
    ("put", "/v1/members/{id}/points-password"): ALL,
    ("post", "/v1/members/{id}/points-password/reset"): OPERATOR,
    ("put", "/v1/rewards/{id}"): OPERATOR,
    ("post", "/v1/rewards/{id}/shelf"): OPERATOR,
    ("post", "/v1/rewards/{id}/stock"): OPERATOR,
    ("get", "/v1/rewards/{id}/stock"): OPERATOR,
    ("post", "/v1/rewards/{id}/codes"): OPERATOR,
    ("post", "/v1/rewards/import"): OPERATOR,
    ("get", "/v1/reward-records"): OPERATOR,
    ("get", "/v1/reward-records/{id}"): OPERATOR,
    ("get", "/v1/rewards"): ALL,
    ("get", "/v1/rewards/{id}"): ALL,
    ("post", "/v1/members/{id}/restock-notices"): ALL,
    ("post", "/v1/members/{id}/reward-orders"): ALL,
    ("get", "/v1/members/{id}/reward-orders"): ALL,
    ("get", "/v1/reward-orders/{id}"): ALL,
    ("post", "/v1/reward-orders/{id}/paid"): ["points/shop"],
    ("post", "/v1/reward-orders/{id}/address"): ALL,
    ("post", "/v1/reward-orders/{id}/ship"): SHOP,
    ("post", "/v1/reward-orders/{id}/deliver"): SHOP,
    ("post", "/v1/reward-orders/{id}/cancel"): ALL,
    ("post", "/v1/reward-orders/{id}/return"): SHOP,
    ("get", "/v1/members/{id}/coupons"): ALL,
    ("get", "/v1/coupons/{id}"): ALL,
    ("post", "/v1/coupons/{id}/use"): ["points/shop"],
    ("post", "/v1/coupons/{id}/release"): SHOP,
    ("post", "/v1/coupons/{id}/void"): OPERATOR,
    ("put", "/v1/lotteries/{id}"): OPERATOR,
    ("get", "/v1/lotteries"): ALL,
    ("get", "/v1/lotteries/{id}"): ALL,
    ("post", "/v1/lotteries/{id}/pause"): OPERATOR,
    ("post", "/v1/lotteries/{id}/resume"): OPERATOR,
    ("post", "/v1/lotteries/{id}/cancel"): OPERATOR,
    ("post", "/v1/members/{id}/draws"): TAKES_PART,
    ("get", "/v1/members/{id}/draws"): ALL,
    ("get", "/v1/draws/{id}"): ALL,
    ("put", "/v1/auctions/{id}"): OPERATOR,
    ("get", "/v1/auctions"): ALL,
    ("get", "/v1/auctions/{id}"): ALL,
    ("post", "/v1/auctions/{id}/settle"): SHOP,
    ("post", "/v1/auctions/{id}/cancel"): OPERATOR,
    ("post", "/v1/members/{id}/bids"): TAKES_PART,
    ("get", "/v1/members/{id}/bids"): ALL,
    ("put", "/v1/members/{id}/preferences"): ALL,
    ("post", "/v1/webhook-endpoints/{id}/ping"): OPERATOR,
    ("post", "/v1/members/{id}/wechat-consents"): ALL,
    ("post", "/v1/webhook-endpoints/{id}/disable"): OPERATOR,
    ("post", "/v1/unsubscribe"): ANYONE,
    ("get", "/v1/unsubscribe"): ANYONE,
    ("get", "/v1/validity/batches/{id}"): OPERATOR,
    ("put", "/v1/members/{id}/activity"): ALL,
    ("put", "/v1/webhook-endpoints/{id}"): ADMIN,
    ("get", "/v1/webhook-endpoints/{id}"): OPERATOR,
    ("post", "/v1/webhook-endpoints"): ADMIN,
    ("get", "/v1/webhook-endpoints"): OPERATOR,
    ("post", "/v1/validity/batches/{id}/reverse"): ADMIN,
    ("post", "/v1/notices/test-send"): OPERATOR,
    ("post", "/v1/webhook-endpoints/{id}/enable"): OPERATOR,
    ("post", "/v1/rulesets/{id}/validity-preview"): OPERATOR,
    ("get", "/v1/sweeps/{id}/runs/{run}"): OPERATOR,
    ("get", "/v1/members/{id}/contact"): ALL,
    ("post", "/v1/webhook-endpoints/{id}/delete"): ADMIN,
    ("post", "/v1/webhook-endpoints/{id}/replay"): OPERATOR,
    ("put", "/v1/sweeps/{id}"): OPERATOR,
    ("get", "/v1/webhook-endpoints/{id}/deliveries"): OPERATOR,
    ("post", "/v1/notices/preview"): OPERATOR,
    ("put", "/v1/members/{id}/goal"): ALL,
    ("get", "/v1/members/{id}/goal"): ALL,
    ("get", "/v1/sweeps"): OPERATOR,
    ("get", "/v1/validity/batches"): OPERATOR,
    ("get", "/v1/notices/failed"): OPERATOR,
    ("post", "/v1/webhook-endpoints/{id}/rotate-secret"): ADMIN,
}


def test_routes_and_their_scopes(expanded: dict[str, Any]) -> None:
    """Every route asks for exactly these scopes; only what is signed, a webhook or a link in a mail, asks for none."""
    body = expanded["Resources"]["Api"]["Properties"]["Body"]
    deployed = {
        (method, path): operation["security"]
        for path, methods in body["paths"].items()
        for method, operation in methods.items()
    }

    assert {route: [{"Jwt": scopes}] if scopes else [{"NONE": []}] for route, scopes in ROUTES.items()} == deployed


def test_a_route_without_a_word_about_auth_is_closed(template: dict[str, Any]) -> None:
    """Forgetting Auth on a new route asks for a token rather than for nothing."""
    assert "Jwt" == template["Resources"]["Api"]["Properties"]["Auth"]["DefaultAuthorizer"]


def test_scopes_are_those_the_user_pool_knows(template: dict[str, Any]) -> None:
    """A scope of a route can be had from the stack's own user pool."""
    pool = template["Resources"]["PointsScopes"]["Properties"]
    known = {f"{pool['Identifier']}/{scope['ScopeName']}" for scope in pool["Scopes"]}

    assert set(ALL) == known


def test_people_can_only_sign_in_as_members(template: dict[str, Any]) -> None:
    """A client through which people sign in hands out points/member and nothing higher."""
    clients = [
        each["Properties"] for each in template["Resources"].values() if each["Type"] == "AWS::Cognito::UserPoolClient"
    ]
    people = [client for client in clients if client["AllowedOAuthFlows"] != ["client_credentials"]]

    assert [["openid", "points/member"]] == [client["AllowedOAuthScopes"] for client in people]


def test_browsers_are_kept_out_unless_named(expanded: dict[str, Any]) -> None:
    """Without CorsOrigins no origin is allowed."""
    condition, _, otherwise = expanded["Resources"]["Api"]["Properties"]["Body"]["x-amazon-apigateway-cors"]["Fn::If"]

    assert "HasCors" == condition
    assert {"Ref": "AWS::NoValue"} == otherwise


def test_several_origins_stay_several() -> None:
    """The transform puts the parameter's text into the API, where it must become a list again."""
    origins = "https://shop.example,https://m.shop.example"

    body = expand({"CorsOrigins": origins})["Resources"]["Api"]["Properties"]["Body"]

    assert {"Fn::Split": [",", origins]} == body["x-amazon-apigateway-cors"]["Fn::If"][1]["allowOrigins"]


def test_the_api_has_limits_and_keeps_a_log(expanded: dict[str, Any]) -> None:
    """Requests are limited on every route, and each leaves a line that its request id finds."""
    stage = expanded["Resources"]["ApiApiGatewayDefaultStage"]["Properties"]

    assert {"ThrottlingRateLimit", "ThrottlingBurstLimit"} == set(stage["DefaultRouteSettings"])
    assert {"Fn::GetAtt": ["ApiLogs", "Arn"]} == stage["AccessLogSettings"]["DestinationArn"]
    assert "$context.requestId" in stage["AccessLogSettings"]["Format"]
