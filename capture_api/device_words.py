"""A device's signature in plain words: what it proves, and what not."""

from typing import Any

from pipeline.device import Device, Level
from pipeline.record import encode

VOUCHERS: dict[Level, str] = {
    "key": "Nobody but the uploader vouches for that key.",
    "app-attest": "Apple attested that an unchanged app on real hardware vouches for that key.",
    "android-tee": "Google’s attestation says that the key cannot leave the device’s trusted hardware, and that the "
    "device was started with its maker’s software.",
    "android-strongbox": "Google’s attestation says that the key cannot leave the device’s security chip, and that the "
    "device was started with its maker’s software.",
    "play-device": "Google Play vouched for the device and the app when the key was enrolled.",
    "play-strong": "Google Play vouched strongly for the device and the app when the key was enrolled.",
}
NOT_PROVEN = (
    "It does not prove that the device’s camera took the photo, who held the device, or that its clock was right."
)


def device_words(device: Device) -> dict[str, str]:
    """`proves`, and what it does `not`, as sentences."""
    moment = device.device_time.strftime("%Y-%m-%d %H:%M:%S UTC")
    way = (
        f"A device signed for this very file without a network, at {moment} by its own clock, which is a claim"
        if device.way == "statement"
        else f"A device signed for this very file when it was uploaded ({moment} by the device’s clock)"
    )
    return {"proves": f"{way}. {VOUCHERS[device.attested.level]}", "not": NOT_PROVEN}


def open_device(device: Device | None) -> dict[str, Any] | None:
    """What a stranger may read of it: not the owner's own id for it, and what was signed is in the receipt."""
    if device is None:
        return None
    shown = ("attested", "way", "digest", "device_time", "received_at", "clock_difference_s", "counter", "notices")
    value = encode(device)
    return {
        "level": device.attested.level,
        "key_id": device.thumbprint.hex(),
        **{name: value[name] for name in shown},
        "means": device_words(device),
    }
