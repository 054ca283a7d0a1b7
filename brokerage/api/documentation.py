"""The description of the API: as a file for programs, and as a page to read and try it with."""

from functools import cache
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiJsonRenderer, OpenApiYamlRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from brokerage.api.fields import OneOf, Shape

RENDERERS = {"yaml": OpenApiYamlRenderer, "json": OpenApiJsonRenderer}
MEDIA_TYPES = {"application/yaml": "yaml", "application/json": "json"}

# Scripts and styles are files of ours. Pictures that the page's own style sheet carries are `data:`.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class InFormat(Shape):
    format = OneOf(RENDERERS, required=False, help_text="Instead of the header `Accept`.")


@cache
def document(form: str) -> bytes:
    """The whole description. It cannot change while the process lives, so it is made once."""
    written = RENDERERS[form]().render(SchemaGenerator().get_schema(public=True), renderer_context={})
    return written if isinstance(written, bytes) else written.encode()


class DescriptionView(APIView):
    """GET: the description, as YAML or JSON."""

    authentication_classes: list[Any] = []
    permission_classes: list[Any] = []

    def get(self, request: Request) -> HttpResponse:
        preferred = request.get_preferred_type(list(MEDIA_TYPES)) or "application/yaml"
        form = InFormat.read_query(request).get("format") or MEDIA_TYPES[preferred]
        media_type = next(name for name, its_form in MEDIA_TYPES.items() if its_form == form)
        return HttpResponse(document(form), content_type=f"{media_type}; charset=utf-8", headers={"Vary": "Accept"})


class PageView(APIView):
    """GET: the description as a page. It loads nothing from any other host."""

    authentication_classes: list[Any] = []
    permission_classes: list[Any] = []

    def get(self, request: Request) -> HttpResponse:
        page = render(request, "brokerage/docs.html")
        page["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
        return page
