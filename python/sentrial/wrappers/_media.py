"""Media in messages, told by type, size and hash.

Only what may hold some comes here: most messages are seen to hold none by compiled code.
"""

from __future__ import annotations

from typing import Any

from sentrial.wrappers._values import Passing, read

__all__ = ["rewritten"]

_DEPTH = 12
_SHORT = 256
_HEAD = 128
#: Members that hold base64 text, and the members beside them by which that can be told.
_DATA = ("data", "file_data", "image_data")
_KINDS = ("media_type", "mime_type", "mimeType", "format")


def rewritten(value: Any) -> Any:
    """Return messages as they are recorded: images and other media by type, size and hash.

    Nothing is consumed or changed. What holds no media is returned as it is.
    """
    return _written(value.passed if type(value) is Passing else value, _DEPTH)


def _written(value: Any, depth: int) -> Any:
    kind = type(value)
    if kind is str:
        return _of_data_url(value) if value.startswith("data:") and len(value) > _SHORT else value
    if value is None or kind is int or kind is float or kind is bool or depth == 0:
        return value
    if kind is dict:
        return _written_dict(value, depth)
    if kind is list or kind is tuple:
        return _written_list(value, depth)
    return _written_object(value, depth)


def _written_list(value: list[Any] | tuple[Any, ...], depth: int) -> Any:
    items = list(value)
    changed = False
    for index, item in enumerate(items):
        # Messages are dicts: a call less for each.
        write = _written_dict if type(item) is dict and depth > 1 else _written
        new = write(item, depth - 1)
        if new is not item:
            items[index] = new
            changed = True
    return items if changed else value


def _written_dict(value: dict[Any, Any], depth: int) -> dict[Any, Any]:
    changed = {}
    for key, item in list(value.items()):
        kind = type(item)
        if kind is str:
            if len(item) <= _SHORT or (key not in _DATA and not item.startswith("data:")):
                continue
        elif kind is int or item is None:
            continue
        if key in _DATA and isinstance(item, (str, bytes, bytearray)):
            new = _of_data(value, item)
        else:
            new = _written(item, depth - 1)
        if new is not item:
            changed[key] = new
    return {**value, **changed} if changed else value


def _of_data(around: dict[Any, Any], data: str | bytes | bytearray) -> Any:
    """What stands where media are: base64 text or bytes, whose type stands beside it."""
    media = next((around[name] for name in _KINDS if isinstance(around.get(name), str)), None)
    if not isinstance(data, str):
        return _of_bytes(bytes(data), media)
    return _of_base64(data, media) if _is_base64(data) else _written(data, 1)


def _written_object(value: Any, depth: int) -> Any:
    """Media, and objects of the providers that hold media, in a few words; others as they are."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return _of_bytes(bytes(value), None)
    if type(value).__module__.startswith("PIL."):
        return _of_picture(value)
    fields = getattr(type(value), "model_fields", None)
    if not isinstance(fields, dict) or not _holds_bytes(value, depth):
        return value
    present = {name: getattr(value, name, None) for name in fields}
    return _written_dict({k: v for k, v in present.items() if v is not None}, depth)


def _holds_bytes(value: Any, depth: int) -> bool:
    if isinstance(value, (bytes, bytearray)):
        return True
    if value is None or isinstance(value, (str, int, float)) or depth == 0:
        return False
    if isinstance(value, (list, tuple)):
        return any(_holds_bytes(item, depth - 1) for item in value)
    fields = getattr(type(value), "model_fields", None)
    if not isinstance(fields, dict):
        return False
    return any(_holds_bytes(getattr(value, name, None), depth - 1) for name in fields)


def _is_base64(text: str) -> bool:
    head = text[:_HEAD].rstrip("=")
    return head.isascii() and head.replace("+", "").replace("/", "").isalnum()


def _of_data_url(text: str) -> Any:
    head, comma, data = text.partition(",")
    if not comma or not head.endswith(";base64"):
        return text
    told = _of_base64(data, head[len("data:") : -len(";base64")])
    return text if told is data else told


def _of_base64(text: str, media: str | None) -> Any:
    import base64
    import binascii

    try:
        return _of_bytes(base64.b64decode(text), media)
    except (binascii.Error, ValueError):
        return text


def _of_bytes(data: bytes, media: str | None) -> dict[str, Any]:
    import hashlib

    return {
        "type": media or _sniffed(data),
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
    }


def _sniffed(data: bytes) -> str:
    for start, media in (
        (b"\x89PNG", "image/png"),
        (b"\xff\xd8\xff", "image/jpeg"),
        (b"GIF8", "image/gif"),
        (b"%PDF", "application/pdf"),
        (b"ID3", "audio/mpeg"),
        (b"OggS", "audio/ogg"),
    ):
        if data.startswith(start):
            return media
    if data[:4] == b"RIFF":
        return {b"WEBP": "image/webp", b"WAVE": "audio/wav"}.get(
            data[8:12], "application/octet-stream"
        )
    return "application/octet-stream"


def _of_picture(picture: Any) -> dict[str, Any]:
    """A PIL image: its pixels are not asked for, that would load and decode the file."""
    form = read(picture, "format")
    return {
        "type": f"image/{form.lower()}" if isinstance(form, str) else "image",
        "size": read(picture, "size"),
        "mode": read(picture, "mode"),
    }
