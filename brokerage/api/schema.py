"""How logging in, and the description itself, are described."""

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_view

from brokerage.api.documentation import InFormat
from brokerage.api.fields import Nothing
from brokerage.api.openapi import WITH_BODY, asked_example, example, refused, shown
from brokerage.api.responses import MOMENT, TEXT, WHOLE, Answer, Shown
from brokerage.api.sessions import Credentials


class SessionAnswer(Answer):
    """The token of one device."""

    token = Shown(TEXT, "Goes into every other call as `Authorization: Token …`. It is shown this once.")
    expires_at = Shown(MOMENT, "When it stops being good; null if never.", null=True)
    trader_id = Shown(
        WHOLE, "Whose money and shares the user acts for; null for staff, who name the trader.", null=True
    )


_SESSION = {
    "token": "b6f4d1a2c89e07735d40e1f8ab2c9d6e3f5071846a9bd2ce10f7a4538b6d9e21",
    "expires_at": "2026-12-22T10:15:30.123456Z",
    "trader_id": 1001,
}
_ENDED = refused(*WITH_BODY, "NOT_AUTHENTICATED")

login = extend_schema_view(
    post=extend_schema(
        operation_id="logIn",
        tags=["Session"],
        summary="Log in",
        description="A new token for this device. Unknown user, wrong password and inactive user are one answer.",
        request=Credentials,
        examples=[asked_example("Alice", {"username": "alice", "password": "demo"})],
        responses={
            200: shown(SessionAnswer, "Logged in.", example("A trader", _SESSION)),
            **refused(*WITH_BODY, "BAD_CREDENTIALS"),
        },
    )
)

logout = extend_schema_view(
    post=extend_schema(
        operation_id="logOut",
        tags=["Session"],
        summary="Log out",
        description="This device's token is worth nothing any more.",
        request=Nothing,
        responses={204: shown(None, "Logged out."), **_ENDED},
    )
)

logout_all = extend_schema_view(
    post=extend_schema(
        operation_id="logOutEverywhere",
        tags=["Session"],
        summary="Log out everywhere",
        description="The tokens of all the user's devices are worth nothing any more.",
        request=Nothing,
        responses={204: shown(None, "Logged out."), **_ENDED},
    )
)

description = extend_schema_view(
    get=extend_schema(
        operation_id="getDescription",
        tags=["Description"],
        summary="This description",
        description="OpenAPI 3.1, in the form that `format`, or else the header `Accept`, asks for; else YAML.",
        parameters=[InFormat],
        responses={
            (200, "application/yaml"): shown(OpenApiTypes.OBJECT, "The description."),
            (200, "application/json"): shown(OpenApiTypes.OBJECT, "The description."),
            **refused("INVALID"),
        },
    )
)

page = extend_schema_view(
    get=extend_schema(
        operation_id="getPage",
        tags=["Description"],
        summary="This description as a page",
        description="To read, and to try calls. It loads nothing from any other host.",
        responses={(200, "text/html"): shown(OpenApiTypes.STR, "The page."), **refused()},
    )
)
