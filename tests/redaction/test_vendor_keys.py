"""Keys as their vendors make them: of 100 000 random ones of each kind every one is found."""

from __future__ import annotations

import os
import string

import pytest
import sentrial

COUNT = 100_000

ALNUM = string.ascii_letters + string.digits
UPPER = string.ascii_uppercase + string.digits
HEX = "0123456789abcdef"
WORD = ALNUM + "_"
URL64 = ALNUM + "_-"
BASE64 = ALNUM + "+/"

#: Kind → what keys are made of: fixed parts, and so many characters of an alphabet.
VENDORS: dict[str, list[tuple[str | tuple[str, int], ...]]] = {
    "sentrial_key": [
        ("sentrial_live_", (ALNUM, 24)),
        ("sentrial_live_", (string.ascii_letters, 20)),
        ("sentrial_test_", (ALNUM, 24)),
    ],
    "anthropic_key": [("sk-ant-api03-", (URL64, 93), "AA")],
    "openai_key": [
        ("sk-", (ALNUM, 48)),
        ("sk-", (ALNUM, 20), "T3BlbkFJ", (ALNUM, 20)),
        ("sk-", (HEX, 32)),
        ("sk-proj-", (URL64, 48)),
        ("sk-svcacct-", (URL64, 60)),
        ("sk-admin-", (URL64, 60)),
    ],
    "openrouter_key": [("sk-or-v1-", (HEX, 64))],
    "langfuse_key": [("sk-lf-", (HEX, 8), "-", (HEX, 4), "-", (HEX, 4), "-", (HEX, 12))],
    "google_key": [("AIza", (URL64, 35))],
    "google_token": [("ya29.a0", (URL64, 120)), ("ya29.c.b0", (URL64, 120))],
    "google_secret": [("GOCSPX-", (URL64, 28))],
    "aws_access_key": [("AKIA", (UPPER, 16)), ("ASIA", (UPPER, 16))],
    "aws_secret_key": [("aws_secret_access_key = ", (BASE64, 40))],
    "azure_key": [("AccountKey=", (BASE64, 86), "==")],
    "github_token": [
        *(((prefix, (ALNUM, 36))) for prefix in ("ghp_", "gho_", "ghu_", "ghs_", "ghr_")),
        ("github_pat_", (ALNUM, 22), "_", (ALNUM, 59)),
    ],
    "gitlab_token": [("glpat-", (URL64, 20)), ("glpat-", (URL64, 27), ".01.", (HEX, 9))],
    "slack_token": [
        *((p, (string.digits, 12), "-", (ALNUM, 24)) for p in ("xoxb-", "xoxp-", "xoxa-")),
        ("xapp-1-A", (UPPER, 10), "-", (string.digits, 13), "-", (HEX, 64)),
    ],
    "slack_webhook": [
        ("hooks.slack.com/services/T", (UPPER, 8), "/B", (UPPER, 8), "/", (ALNUM, 24))
    ],
    "discord_webhook": [("discord.com/api/webhooks/", (string.digits, 18), "/", (URL64, 68))],
    "telegram_token": [((string.digits, 10), ":AA", (URL64, 33))],
    "stripe_key": [
        *((p, (ALNUM, 24)) for p in ("sk_live_", "rk_live_", "sk_test_", "rk_test_")),
        ("whsec_", (BASE64, 32)),
    ],
    "huggingface_token": [("hf_", (string.ascii_letters, 34)), ("api_org_", (ALNUM, 34))],
    "groq_key": [("gsk_", (ALNUM, 52))],
    "xai_key": [("xai-", (ALNUM, 80))],
    "perplexity_key": [("pplx-", (ALNUM, 48))],
    "replicate_token": [("r8_", (ALNUM, 37))],
    "cerebras_key": [("csk-", (ALNUM, 48))],
    "nvidia_key": [("nvapi-", (URL64, 64))],
    "pinecone_key": [("pcsk_", (ALNUM, 6), "_", (ALNUM, 63))],
    "tavily_key": [("tvly-", (ALNUM, 32)), ("tvly-dev-", (ALNUM, 32))],
    "langsmith_key": [("lsv2_pt_", (HEX, 32), "_", (HEX, 10))],
    "databricks_token": [("dapi", (HEX, 32))],
    "sendgrid_key": [("SG.", (URL64, 22), ".", (URL64, 43))],
    "twilio_key": [("SK", (HEX, 32))],
    "npm_token": [("npm_", (ALNUM, 36))],
    "pypi_token": [("pypi-AgEIcHlwaS5vcmc", (URL64, 150))],
    "digitalocean_token": [("dop_v1_", (HEX, 64))],
    "shopify_token": [("shpat_", (HEX, 32))],
    "linear_key": [("lin_api_", (ALNUM, 40))],
    "notion_token": [("ntn_", (ALNUM, 46)), ("secret_", (ALNUM, 43))],
    "figma_token": [("figd_", (URL64, 40))],
    "vault_token": [("hvs.", (URL64, 92))],
    "docker_token": [("dckr_pat_", (URL64, 27))],
    "grafana_token": [("glsa_", (ALNUM, 32), "_", (HEX, 8))],
    "supabase_key": [("sbp_", (HEX, 40)), ("sb_secret_", (URL64, 31))],
    "jwt": [("eyJ", (URL64, 33), ".eyJ", (URL64, 60), ".", (URL64, 43))],
    "bearer_token": [("Authorization: Bearer ", (URL64, 20))],
}

MADE = [(kind, parts) for kind, made in VENDORS.items() for parts in made]

#: What stands around a key.
AROUND = [
    ("", ""),
    ("key=", ""),
    ("key: ", " and more"),
    ('{"key":"', '"}'),
    ("('", "',)"),
    ("https://x.example/?token=", "&page=2"),
    ("TOKEN_", ""),
    ("\x1b[32m", "\x1b[0m"),
    ("日本", "日本"),
    ("line\\n", "\\n'"),
]


def random_text(alphabet: str, length: int) -> str:
    """Choose so many characters, much faster than one by one."""
    table = (alphabet * (256 // len(alphabet) + 1))[:256].encode()
    return os.urandom(length).translate(table).decode()


def keys(parts: tuple[str | tuple[str, int], ...]) -> list[str]:
    columns = []
    for part in parts:
        if isinstance(part, str):
            columns.append([part] * COUNT)
        else:
            alphabet, length = part
            text = random_text(alphabet, length * COUNT)
            columns.append([text[at : at + length] for at in range(0, len(text), length)])
    return ["".join(key) for key in zip(*columns, strict=True)]


@pytest.mark.parametrize(("kind", "parts"), MADE, ids=lambda value: str(value)[:40])
def test_every_random_key_of_a_vendor_is_found(
    kind: str, parts: tuple[str | tuple[str, int], ...]
) -> None:
    client = sentrial.SentrialClient(
        "http://127.0.0.1:9", "sentrial_test_0123456789", max_event_bytes=100_000_000
    )
    before = [before for before, _ in AROUND]
    behind = [behind for _, behind in AROUND]
    lines = [
        before[at % len(AROUND)] + key + behind[at % len(AROUND)]
        for at, key in enumerate(keys(parts))
    ]
    shown = client.redact("\n".join(lines), "value").split("\n")
    assert len(shown) == COUNT
    missed = [
        line for line, left in zip(lines, shown, strict=True) if f"[SECRET:{kind}]" not in left
    ]
    assert not missed, f"{len(missed)} missed: {missed[:3]}"
    # What stands around a key stays.
    assert shown[2].startswith("key: ")
    assert shown[2].endswith(" and more")
