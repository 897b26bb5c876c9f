"""The suite. Where the environment has ``SUITE_HTTP=httpx2``, all of it runs on httpx2.

The tests go on to say ``httpx``, and get httpx2; the names of the package they get from `asgi_testkit.httpx2`. The
package itself has imported httpx before that, as it does for a user of both.
"""

import os

if os.environ.get("SUITE_HTTP") == "httpx2":  # pragma: no cover - another run's
    from .on_httpx2 import stand_in

    stand_in()
