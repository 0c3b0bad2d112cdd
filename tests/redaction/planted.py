"""Things that must not leave, one for each rule."""

from __future__ import annotations

PEM = (
    "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEAplanted\nq83vEjRWeJC=\n"
    "-----END RSA PRIVATE KEY-----"
)
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJwbGFudGVkIn0.c2lnbmF0dXJlLXBsYW50ZWQtMTIz"

#: Rule → text that holds one, and the part of it that must not leave.
SECRETS: dict[str, tuple[str, str]] = {
    "sentrial_key": ("sentrial_live_planted0123456789", "planted0123456789"),
    "anthropic_key": ("sk-ant-api03-PLANTED0213456789abcdef", "PLANTED0213456789"),
    "openai_key": ("sk-proj-PLANTED0223456789abcdefghij", "PLANTED0223456789"),
    "google_key": ("AIzaPLANTED0233456789abcdefghijklmnopqr", "PLANTED0233456789"),
    "google_token": ("ya29.PLANTED0243456789abcdefghij", "PLANTED0243456789"),
    "aws_access_key": ("AKIAPLANTED025345678", "PLANTED025345678"),
    "aws_secret_key": (
        "aws_secret_access_key = PLANTED0263456789abcdefghijklmnopqrstuvw",
        "PLANTED0263456789",
    ),
    "github_token": ("ghp_PLANTED0273456789abcdefghijklmnopqr", "PLANTED0273456789"),
    "gitlab_token": ("glpat-PLANTED0283456789abc", "PLANTED0283456789"),
    "slack_token": ("xoxb-012345678901-PLANTED0293456789", "PLANTED0293456789"),
    "slack_webhook": (
        "https://hooks.slack.com/services/T0PLANTED/B0PLANTED/0123456789abcdef",
        "0PLANTED/B0PLANTED",
    ),
    "stripe_key": ("sk_live_PLANTED0313456789", "PLANTED0313456789"),
    "huggingface_token": ("hf_PLANTED0323456789abcdefghijklmnop", "PLANTED0323456789"),
    "groq_key": ("gsk_PLANTED0333456789abcdefghijklmnopqrstuvwxyz", "PLANTED0333456789"),
    "sendgrid_key": (
        "SG.PLANTED0343456789abcde.fghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWX",
        "PLANTED0343456789",
    ),
    "npm_token": ("npm_PLANTED0353456789abcdefghijklmnopqrs", "PLANTED0353456789"),
    "jwt": (JWT, "c2lnbmF0dXJlLXBsYW50ZWQtMTIz"),
    "private_key": (PEM, "q83vEjRWeJC="),
    "bearer_token": ("Authorization: Bearer PLANTED0383456789abc", "PLANTED0383456789"),
    "basic_auth": ("Authorization: Basic cGxhbnRlZDpodW50ZXIy", "cGxhbnRlZDpodW50ZXIy"),
    "url_password": ("postgres://bob:plantedhunter2@db.test:5432/x", "plantedhunter2"),
}

PERSONAL: dict[str, tuple[str, str]] = {
    "email": ("planted.person+x@example.co.uk", "planted.person"),
    "phone": ("(415) 555-0137", "555-0137"),
    "ssn": ("078-05-1120", "078-05-1120"),
    "credit_card": ("4111 1111 1111 1111", "1111 1111"),
    "ip_address": ("203.0.113.77", "203.0.113.77"),
    "ip_address_v6": ("2001:db8::77", "2001:db8::77"),
}

PLANTED = {**SECRETS, **PERSONAL}
