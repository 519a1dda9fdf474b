"""Loaded by the workers that are started here: Ctrl-C in a terminal reaches them too.

The process that was started answers it, and lets the running tiles finish; workers that died of it
would take them along.
"""

import signal

signal.signal(signal.SIGINT, signal.SIG_IGN)
