"""Each of these requests costs a password hash: what one address may ask for."""

from common.http.rate_limits import Limit

REGISTER = Limit("register", requests=20, seconds=60)
LOGIN = Limit("login", requests=60, seconds=60)
RESEND = Limit("resend", requests=10, seconds=60)
PASSWORD_CHANGE = Limit("password_change", requests=10, seconds=60)
PASSWORD_RESET = Limit("password_reset", requests=10, seconds=60)
PASSWORD_CONFIRM = Limit("password_confirm", requests=20, seconds=60)
STEP_UP = Limit("step_up", requests=10, seconds=60)
EMAIL_CHANGE = Limit("email_change", requests=5, seconds=60)
EMAIL_CONFIRM = Limit("email_confirm", requests=20, seconds=60)
