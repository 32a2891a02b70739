"""`python -m quartet_cli`: until a verb begins, Ctrl-C ends it without a word; then as that verb says."""

import signal

_before = signal.getsignal(signal.SIGINT)
if _before is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from quartet_cli.main import main  # noqa: E402 - to import it takes long enough to be interrupted

signal.signal(signal.SIGINT, _before)
main()
