"""Templates: every value is escaped, an unknown one is an error."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import jinja2
from markupsafe import Markup
from starlette.responses import Response
from starlette.templating import Jinja2Templates

from astrid_assets.science.quality.difference_numbers import DIFFERENCE_NUMBERS
from astrid_assets.science.quality.frame_numbers import FRAME_NUMBERS
from astrid_assets.science.quality.gate import value_in_words
from astrid_assets.science.quality.numbers import by_name
from astrid_assets.science.quality.printing import as_html
from astrid_assets.steps.explain.explanation import in_one_line
from astrid_assets.web.security import csrf_token

if TYPE_CHECKING:
    from fastapi import Request

TEMPLATES = Path(__file__).parents[1] / "templates"


@cache
def templates() -> Jinja2Templates:
    """Return the environment of all pages."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["value_in_words"] = value_in_words
    environment.globals["of_frame"] = by_name(FRAME_NUMBERS)
    environment.globals["of_difference"] = by_name(DIFFERENCE_NUMBERS)
    environment.filters["low_index"] = lambda text: Markup(as_html(text))  # noqa: S704  escaped
    environment.globals["in_one_line"] = in_one_line
    return Jinja2Templates(env=environment)


def page(request: Request, name: str, status_code: int = 200, **values: object) -> Response:
    """Return a template filled with values."""
    return templates().TemplateResponse(request, name, values, status_code=status_code)


def page_with_form(
    request: Request, name: str, status_code: int = 200, **values: object
) -> Response:
    """Return a page whose forms carry the visitor's token, as ``csrf``."""
    cookies = Response()
    token = csrf_token(request, cookies)
    answer = page(request, name, status_code, csrf=token, **values)
    answer.raw_headers.extend(
        header for header in cookies.raw_headers if header[0] == b"set-cookie"
    )
    return answer
