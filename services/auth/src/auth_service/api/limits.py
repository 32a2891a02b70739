"""What one address may ask for: mostly requests that cost a password hash."""

from common.http.rate_limits import Limit

REGISTER = Limit("register", requests=20, seconds=60)
LOGIN = Limit("login", requests=60, seconds=60)
RESEND = Limit("resend", requests=10, seconds=60)
PASSWORD_CHANGE = Limit("password_change", requests=10, seconds=60)
PASSWORD_RESET = Limit("password_reset", requests=10, seconds=60)
PASSWORD_CONFIRM = Limit("password_confirm", requests=20, seconds=60)
STEP_UP = Limit("step_up", requests=10, seconds=60)
DEACTIVATE = Limit("deactivate", requests=10, seconds=60)
EMAIL_CHANGE = Limit("email_change", requests=5, seconds=60)
EMAIL_CONFIRM = Limit("email_confirm", requests=20, seconds=60)
ERASE = Limit("erase", requests=10, seconds=60)
ERASURE_STATE = Limit("erasure_state", requests=120, seconds=60)
EXPORT = Limit("export", requests=10, seconds=86_400)
EXPORT_FILE = Limit("export_file", requests=20, seconds=3600)
OAUTH_TOKEN = Limit("oauth_token", requests=120, seconds=60)
OAUTH_REVOKE = Limit("oauth_revoke", requests=60, seconds=60)
OAUTH_INTROSPECT = Limit("oauth_introspect", requests=1200, seconds=60)
MAILBOX = Limit("mailbox", requests=10, seconds=3600)
"""Mails that anybody may have sent to one mailbox."""
MAILBOX_RESET = Limit("mailbox_reset", requests=10, seconds=3600)
"""Apart: whoever uses the others up shall not keep the owner from the way back in."""
