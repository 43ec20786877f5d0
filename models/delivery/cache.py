"""How long and by whom an answer may be kept: RFC 9111."""

DAYS_30_S = 30 * 24 * 3600
NO_STORE = "no-store"


def cache_control(*, public: bool, alias: bool = False) -> str:
    """Value of `Cache-Control`.

    Args:
        public: Anybody may have it, so shared caches may keep it.
        alias: The URL is not made of the content, so it may name other bytes tomorrow.
    """
    scope = "public" if public else "private"
    return f"{scope}, no-cache" if alias else f"{scope}, max-age={DAYS_30_S}, immutable"
