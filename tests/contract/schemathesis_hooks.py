"""Prevents schemathesis from enabling the remote server: later requests would be sent to a random address."""

import schemathesis

CLOSED_PORT = "http://127.0.0.1:9/v1"


@schemathesis.hook
def before_call(context, case, kwargs):
    body = case.body
    if case.path != "/api/v1/settings" or not isinstance(body, dict):
        return
    if body.get("remote_policy") in ("local_then_remote", "remote"):
        body["remote_policy"] = "local_only"
    endpoint = body.get("remote_endpoint")
    if isinstance(endpoint, str) and endpoint.startswith("http"):
        body["remote_endpoint"] = CLOSED_PORT
