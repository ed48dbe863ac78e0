"""A plugin of inner runs: all clients and vcr are imported before the metering begins, as by other plugins."""

import aiohttp  # noqa: F401
import httpx  # noqa: F401
import httpx2  # noqa: F401
import requests  # noqa: F401
import urllib3  # noqa: F401
import vcr  # noqa: F401
