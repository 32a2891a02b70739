"""`python -m quartet_cli`: until a verb begins, Ctrl-C ends it without a word; then as that verb says."""

import atexit
import gc
import signal

_before = signal.getsignal(signal.SIGINT)
if _before is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

# to look for garbage in what is only being made, and when it ends, would be a fifth of most verbs
gc.disable()
atexit.register(gc.freeze)
from quartet_cli.main import main  # noqa: E402 - to import it takes long enough to be interrupted

gc.enable()
signal.signal(signal.SIGINT, _before)
main()
