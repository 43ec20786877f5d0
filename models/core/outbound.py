"""The one client for requests that leave the cluster."""

import json
import logging
import ssl
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

import httpx

from models.core.errors import (
    CapabilityError,
    CapacityExceeded,
    InvalidInput,
    TooLarge,
    UpstreamUnavailable,
)
from models.core.public_addresses import Resolver, checked_addresses, resolve
from models.core.redaction import URL_FILTER, origin_of, redacted_url
from models.core.retry import (
    DEFAULT_RETRY,
    IDEMPOTENT,
    RETRIED,
    RetryPolicy,
    parse_retry_after,
)

MIB = 1024**2

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Limits:
    """What one request may take.

    Attributes:
        connect_s: Until a connection stands.
        read_s: Between two pieces of the answer.
        total_s: For the body of one answer; ends a server that sends a byte now and then.
        body_bytes: Of the answer after decoding.
    """

    connect_s: float = 5.0
    read_s: float = 10.0
    total_s: float = 30.0
    body_bytes: int = 16 * MIB


@dataclass(frozen=True)
class Reply:
    """An answer that was read to its end."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    def json(self) -> Any:  # noqa: ANN401  # the caller validates it
        """The body as JSON.

        Raises:
            UpstreamUnavailable: It is none.
        """
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise UpstreamUnavailable(
                "a provider answered with something else than JSON"
            ) from error


class _Call(NamedTuple):
    """One request as its caller wrote it."""

    method: str
    url: str
    arguments: dict[str, Any]
    accept: Collection[int]
    from_caller: bool

    @property
    def shown(self) -> str:
        """The URL as logs and errors may show it."""
        return origin_of(self.url) if self.from_caller else redacted_url(self.url)


class _Failure(Exception):
    """An attempt that another may mend; `error` is what the caller sees if none does."""

    def __init__(self, error: CapabilityError) -> None:
        super().__init__(error.detail)
        self.error = error


class OutboundClient:
    """Sends requests with timeouts, retries and limits; safe for threads.

    Redirects are never followed: a setting names its final address, and a caller's URL that was
    checked must not lead to one that was not.

    Args:
        limits: For each attempt.
        retry: For idempotent methods, or where the caller asks for it.
        transport: Instead of the network.
        resolver: Finds the addresses of callers' URLs.
        sleep: Waits between attempts.
        verify: Trusted certificates, if not the usual ones.
    """

    def __init__(
        self,
        limits: Limits = Limits(),
        retry: RetryPolicy = DEFAULT_RETRY,
        *,
        transport: httpx.BaseTransport | None = None,
        resolver: Resolver = resolve,
        sleep: Callable[[float], None] = time.sleep,
        verify: ssl.SSLContext | None = None,
    ) -> None:
        self._limits, self._retry = limits, retry
        self._resolver, self._sleep = resolver, sleep
        self._client = httpx.Client(
            transport=transport,
            timeout=httpx.Timeout(limits.read_s, connect=limits.connect_s),
            verify=verify if verify is not None else True,
            follow_redirects=False,
            trust_env=False,
            headers={"User-Agent": "orrery"},
        )
        logging.getLogger("httpx").addFilter(URL_FILTER)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections that are kept open."""
        self._client.close()

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        json: Any = None,  # noqa: ANN401  # anything that JSON holds
        content: bytes | None = None,
        accept: Collection[int] = (),
        retry: bool | None = None,
        from_caller: bool = False,
    ) -> Reply:
        """Send a request and read the answer to its end.

        Args:
            method: Such as `GET`.
            url: With its scheme.
            headers: Besides those of the protocol.
            params: Added to the query.
            json: Body as a value.
            content: Body as bytes.
            accept: Statuses beyond 2xx that are answers, such as 404.
            retry: Whether another attempt does no harm; by default for idempotent methods.
            from_caller: The URL is not ours: https to public addresses only.

        Raises:
            UpstreamUnavailable: No answer, or a status that is none.
            CapacityExceeded: The other side asks to come back later.
            TooLarge: The answer to a caller's URL exceeds the limit.
            InvalidInput: A caller's URL may not be asked for.
        """
        arguments = {"headers": dict(headers or {}), "json": json, "content": content}
        if params:
            arguments["params"] = dict(params)
        call = _Call(method.upper(), url, arguments, accept, from_caller)
        repeatable = call.method in IDEMPOTENT if retry is None else retry
        for attempt in range(self._retry.attempts):
            try:
                return self._attempt(call, attempt)
            except _Failure as failure:
                wait_s = self._retry.wait_s(attempt, failure.error.retry_after_s)
                if wait_s is None or not repeatable:
                    raise failure.error from failure.__cause__
                extra = {"url": call.shown, "attempt": attempt, "wait_s": wait_s}
                logger.info("outbound request is tried again", extra=extra)
                self._sleep(wait_s)
        raise AssertionError("a policy allows at least one attempt")

    @contextmanager
    def lines(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        json: Any,  # noqa: ANN401  # anything that JSON holds
        accept: Collection[int] = (),
    ) -> Iterator[tuple[Reply, Iterator[str]]]:
        """Send a request once and read the answer line by line, as it comes.

        Args:
            method: Such as `POST`.
            url: With its scheme.
            headers: Besides those of the protocol.
            json: Body as a value.
            accept: Statuses beyond 2xx that are answers.

        Yields:
            Status and headers, as a reply without a body, and the lines.

        Raises:
            UpstreamUnavailable: No answer, or a status that is none; or the answer breaks off,
                takes too long or is too long.
            CapacityExceeded: The other side asks to come back later.
        """
        arguments = {"headers": dict(headers), "json": json}
        call = _Call(method.upper(), url, arguments, accept, from_caller=False)
        deadline = time.monotonic() + self._limits.total_s
        with self._transport_errors(call):
            response = self._client.send(self._build(call, 0), stream=True)
            try:
                self._check_status(call, response)
                head = Reply(response.status_code, response.headers, b"")
                yield head, self._lines(call, response, deadline)
            finally:
                response.close()

    def _lines(self, call: _Call, response: httpx.Response, deadline: float) -> Iterator[str]:
        read = 0
        for line in response.iter_lines():
            read += len(line) + 1
            if read > self._limits.body_bytes:
                raise self._too_large(call)
            if time.monotonic() > deadline:
                raise _unavailable(call, "answered too slowly")
            yield line

    @contextmanager
    def _transport_errors(self, call: _Call) -> Iterator[None]:
        """Failures of the only attempt, as the caller sees them."""
        try:
            yield
        except _Failure as failure:
            raise failure.error from failure.__cause__
        except httpx.TimeoutException as error:
            raise _unavailable(call, "did not answer in time") from error
        except httpx.HTTPError as error:
            raise _unavailable(call, f"failed ({type(error).__name__})") from error

    def _attempt(self, call: _Call, attempt: int) -> Reply:
        request = self._build(call, attempt)
        deadline = time.monotonic() + self._limits.total_s
        try:
            response = self._client.send(request, stream=True)
            try:
                self._check_status(call, response)
                return Reply(
                    response.status_code, response.headers, self._body(call, response, deadline)
                )
            finally:
                response.close()
        except httpx.TimeoutException as error:
            raise _Failure(_unavailable(call, "did not answer in time")) from error
        except httpx.TransportError as error:
            raise _Failure(_unavailable(call, f"failed ({type(error).__name__})")) from error
        except httpx.DecodingError as error:
            raise _unavailable(call, "sent a body that cannot be decoded") from error

    def _build(self, call: _Call, attempt: int) -> httpx.Request:
        try:
            url = httpx.URL(call.url)
            if not call.from_caller:
                return self._client.build_request(call.method, url, **call.arguments)
            addresses = checked_addresses(call.url, self._resolver)
            # A connection is kept by address, and another name may share it: use it once.
            own = {"Host": url.netloc.decode("ascii"), "Connection": "close"}
            arguments = call.arguments | {
                "headers": call.arguments["headers"] | own,
                "extensions": {"sni_hostname": url.raw_host.decode("ascii")},
            }
            pinned = url.copy_with(host=addresses[attempt % len(addresses)])
            return self._client.build_request(call.method, pinned, **arguments)
        except httpx.InvalidURL as error:
            raise InvalidInput("not a URL; expected https://host/path") from error

    def _check_status(self, call: _Call, response: httpx.Response) -> None:
        status = response.status_code
        if 200 <= status < 300 or status in call.accept:
            return
        retry_after_s = parse_retry_after(response.headers.get("retry-after"))
        if status == 429:
            detail = f"{call.shown} asks for fewer requests; try again later"
            raise _Failure(CapacityExceeded(detail, retry_after_s))
        problem = _unavailable(call, f"answered {status}", retry_after_s)
        if status in RETRIED:
            raise _Failure(problem)
        if 300 <= status < 400 and call.from_caller:
            raise InvalidInput(f"{call.shown} redirects; give the URL that it leads to")
        raise problem

    def _body(self, call: _Call, response: httpx.Response, deadline: float) -> bytes:
        limit, body = self._limits.body_bytes, bytearray()
        announced = response.headers.get("content-length", "0")
        if call.method != "HEAD" and announced.isdigit() and int(announced[:18]) > limit:
            raise self._too_large(call)
        for chunk in response.iter_bytes():
            body += chunk
            if len(body) > limit:
                raise self._too_large(call)
            if time.monotonic() > deadline:
                raise _Failure(_unavailable(call, "answered too slowly"))
        return bytes(body)

    def _too_large(self, call: _Call) -> CapabilityError:
        detail = f"{call.shown} answered with more than {self._limits.body_bytes:,} bytes"
        return TooLarge(detail) if call.from_caller else UpstreamUnavailable(detail)


def _unavailable(call: _Call, what: str, retry_after_s: float | None = None) -> UpstreamUnavailable:
    return UpstreamUnavailable(f"{call.method} {call.shown} {what}", retry_after_s)
