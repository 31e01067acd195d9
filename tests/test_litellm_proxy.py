"""Ensembles behind a real LiteLLM proxy in a process of its own, asked with clients that know nothing of them."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import httpx
import openai
import pytest

from tests.litellm_proxy import Proxy, litellm_proxy
from tests.loopback import Loopback
from tests.proxied import INVOICE, Invoice

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(
    not importlib.util.find_spec("fastapi"), reason="needs: pip install ensemble-parse[proxy]"
)

MESSAGES: Any = [{"role": "user", "content": "What does it say?"}]
SCHEMA = {"type": "json_schema", "json_schema": {"name": "Invoice", "schema": Invoice.model_json_schema()}}


@pytest.fixture(scope="module")
def models() -> Iterator[Loopback]:
    """The vendors that the proxy's ensembles ask."""
    with Loopback() as server:
        yield server


@pytest.fixture(scope="module")
def proxy(models: Loopback, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """One proxy for all tests."""
    with litellm_proxy(tmp_path_factory.mktemp("proxy"), models.environment()) as proxy:
        yield proxy


@pytest.fixture
def client(proxy: Proxy) -> Iterator[openai.OpenAI]:
    """An OpenAI client with its own habits, such as to ask again twice."""
    with openai.OpenAI(base_url=f"{proxy.url}/v1", api_key=proxy.key) as client:
        yield client


def post(proxy: Proxy, **body: Any) -> httpx.Response:
    """Ask without any client."""
    headers = {"Authorization": f"Bearer {proxy.key}"}
    return httpx.post(
        f"{proxy.url}/v1/chat/completions", headers=headers, json={"messages": MESSAGES, **body}, timeout=60
    )


@pytest.mark.parametrize("model", ["invoices", "ensemble/invoices"])
def test_parse(client: openai.OpenAI, model: str) -> None:
    """The OpenAI client parses what the ensemble decided, and finds who said what."""
    completion = client.chat.completions.parse(model=model, messages=MESSAGES, response_format=Invoice)
    assert completion.choices[0].message.parsed == Invoice.model_validate(INVOICE)
    told: Any = completion.model_extra
    assert told["ensemble"]["verdicts"]["number"]["supporters"] == ["a/a", "c/c"]
    assert told["ensemble"]["status"] == "complete"


def test_curl(proxy: Proxy) -> None:
    """Any language will do."""
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("needs curl")
    body = json.dumps({"model": "invoices", "messages": MESSAGES, "response_format": SCHEMA})
    headers = ["-H", f"Authorization: Bearer {proxy.key}", "-H", "Content-Type: application/json"]
    ran = subprocess.run(
        [curl, "-s", *headers, "-d", body, f"{proxy.url}/v1/chat/completions"], capture_output=True, check=True
    )
    assert json.loads(json.loads(ran.stdout)["choices"][0]["message"]["content"]) == INVOICE


def test_cost_is_in_the_proxys_books(proxy: Proxy, models: Loopback) -> None:
    """The proxy reports the ensemble's cost as the call's, which is what it books."""
    models.reset()
    response = post(proxy, model="ensemble/models", response_format={"type": "json_object"})
    told = response.json()["ensemble"]["cost"]["total"]
    assert float(response.headers["x-litellm-response-cost"]) == pytest.approx(told)
    assert told > 0
    assert models.count() == 2


def test_a_forced_tool(client: openai.OpenAI) -> None:
    """Tools go over the wire as well."""
    tool: Any = openai.pydantic_function_tool(Invoice)
    choice: Any = {"type": "function", "function": {"name": "Invoice"}}
    completion = client.chat.completions.create(model="invoices", messages=MESSAGES, tools=[tool], tool_choice=choice)
    (call,) = completion.choices[0].message.tool_calls or ()
    assert call.type == "function"
    assert json.loads(call.function.arguments) == INVOICE


def test_streams(client: openai.OpenAI) -> None:
    """A streaming client gets the answer in one piece; a stream that fails has a status, too."""
    stream = client.chat.completions.create(model="invoices", messages=MESSAGES, response_format=SCHEMA, stream=True)  # type: ignore[call-overload]
    said = "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
    assert json.loads(said) == INVOICE
    with pytest.raises(openai.RateLimitError):
        client.with_options(max_retries=0).chat.completions.create(
            model="ensemble/limited", messages=MESSAGES, stream=True
        )


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("nobody", openai.NotFoundError),
        ("refusing", openai.BadRequestError),
        ("invalid", openai.InternalServerError),
        ("gone", openai.InternalServerError),
        ("limited", openai.RateLimitError),
        ("few", openai.UnprocessableEntityError),
    ],
)
def test_failures_have_their_status(client: openai.OpenAI, name: str, kind: type[Exception]) -> None:
    """The OpenAI client raises the exception that means the same, and asks once."""
    with pytest.raises(kind) as caught:
        client.chat.completions.parse(model=f"ensemble/{name}", messages=MESSAGES, response_format=Invoice)
    assert isinstance(caught.value, openai.APIStatusError)
    assert caught.value.response.headers["x-should-retry"] == "false"


def test_what_cannot_be_done_is_a_bad_request(client: openai.OpenAI) -> None:
    """A request that an ensemble cannot serve says why."""
    tool: Any = openai.pydantic_function_tool(Invoice)
    with pytest.raises(openai.BadRequestError, match="chooses no tools"):
        client.chat.completions.create(model="invoices", messages=MESSAGES, tools=[tool])


def test_headers_and_parameters(proxy: Proxy) -> None:
    """Parameters reach the models; what the proxy adds for itself does not."""
    response = post(proxy, model="ensemble/mirror", temperature=0.5, response_format={"type": "json_object"})
    assert json.loads(response.json()["choices"][0]["message"]["content"])["params"] == {"temperature": "0.5"}


def test_a_circle_over_the_wire_ends(proxy: Proxy) -> None:
    """An ensemble that reaches itself through the proxy is refused there: the request says who asked."""
    response = post(proxy, model="ensemble/circle")
    assert response.status_code == 400
    assert "would ask itself: circle -> circle" in response.text


def test_nothing_went_wrong_unseen(proxy: Proxy) -> None:
    """The proxy swallows what goes wrong while it logs and books, and writes it down."""
    log = proxy.log.read_text(encoding="utf-8", errors="replace")
    failed_calls = ("_handle_llm_api_exception", "async_data_generator", "Fallback also failed")
    errors = [line for line in log.splitlines() if "ERROR" in line]
    assert [line for line in errors if not any(each in line for each in failed_calls)] == []
