# SPDX-License-Identifier: MIT
"""Real files, made by the programs that people make them with."""

import io
import json
import random
import uuid
from email.utils import formatdate

from PIL import Image, ImageDraw
from reportlab.pdfgen import canvas


def picture(kind, size=(160, 120), **options):
    """An image as Pillow writes it, different each time."""
    image = Image.effect_noise(size, 60).convert("RGB")
    ImageDraw.Draw(image).text((8, 8), str(uuid.uuid4()), fill=(200, 30, 30))
    written = io.BytesIO()
    image.save(written, kind, **options)
    return written.getvalue()


def animation():
    frames = [Image.new("P", (40, 30), color) for color in range(5)]
    written = io.BytesIO()
    frames[0].save(written, "GIF", save_all=True, append_images=frames[1:], duration=40)
    return written.getvalue()


def pdf(pages=3):
    written = io.BytesIO()
    page = canvas.Canvas(written)
    for number in range(pages):
        page.drawString(72, 720, f"Page {number}: {uuid.uuid4()}")
        page.showPage()
    page.save()
    return written.getvalue()


def document(entries=50):
    """JSON with everything that JSON has."""
    rng = random.Random()
    return json.dumps(
        {
            "id": str(uuid.uuid4()),
            "when": formatdate(),
            "names": ["Zoë", "संग्रह", "対象", "ملف", "🗂️", 'quote " and \\ slash', "\u0001"],
            "numbers": [0, -1, 1.5e-300, 12345678901234567890, 1e308],
            "nothing": None,
            "yes": True,
            "rows": [{"n": n, "x": rng.random(), "tags": ["a"] * (n % 4)} for n in range(entries)],
        },
        ensure_ascii=False,
        indent=2,
    ).encode()


ALL = {
    "photo.jpg": ("image", "image/jpeg", lambda: picture("JPEG", quality=85)),
    "progressive.jpg": ("image", "image/jpeg", lambda: picture("JPEG", progressive=True)),
    "picture.png": ("image", "image/png", lambda: picture("PNG")),
    "animation.gif": ("image", "image/gif", animation),
    "lossy.webp": ("image", "image/webp", lambda: picture("WEBP")),
    "lossless.webp": ("image", "image/webp", lambda: picture("WEBP", lossless=True)),
    "report.pdf": ("pdf", "application/pdf", pdf),
    "data.json": ("json", "application/json", document),
}
