"""The WSGI app, for any WSGI server. `capture up` serves it with granian."""

import os

from capture_api import create_app
from settings import load_settings
from wiring import Services

app = create_app(Services(load_settings(os.environ)))
