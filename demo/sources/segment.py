"""Behaviour on web and app in Segment's shape.

These are most of all lines, so they are put together from ready pieces of JSON.
"""

from dataclasses import dataclass
from random import Random

from demo.clock import iso_ms
from demo.world import World, to_json

_BROWSERS = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_4 like Mac OS X) AppleWebKit/605.1.15 Version/18.4 Mobile Safari/604.1",
    "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 Chrome/137.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/137.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 15_4) AppleWebKit/605.1.15 Version/18.4 Safari/605.1.15",
    "Mozilla/5.0 (X11; Linux x86_64; rv:139.0) Gecko/20100101 Firefox/139.0",
)
_TABLET = "Mozilla/5.0 (iPad; CPU OS 18_4 like Mac OS X) AppleWebKit/605.1.15 Version/18.4 Mobile/15E148 Safari/604.1"
_APP = "KinshipGifts/3.2 (iOS 18.4)"


@dataclass(slots=True)
class Device:
    """A browser or an app. `user_id` is who is logged in on it."""

    anonymous_id: str
    is_app: bool
    is_shared: bool
    rotates: int
    """When the anonymous id is lost (cleared cookies, a new installation)."""
    fixed: str
    """The part of the context that never changes, as JSON members."""
    user_id: int = 0


def new_uuid(chance: Random) -> str:
    digits = f"{chance.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


def new_device(moment: int, tag: str, chance: Random, *, is_shared: bool = False, keeps_days: float = 80) -> Device:
    is_app = not is_shared and chance.random() < 0.18
    agent = _TABLET if is_shared else _APP if is_app else chance.choice(_BROWSERS)
    ip = f"198.51.100.{chance.randrange(1, 255)}"
    fixed = f'"userAgent":"{agent}","ip":"{ip}","locale":"{tag}"'
    if is_app:
        fixed += f',"device":{{"id":"{new_uuid(chance).upper()}","type":"ios"}}'
    if chance.random() < 0.85:
        analytics, advertising = chance.random() < 0.8, chance.random() < 0.5
        marketing = advertising or chance.random() < 0.3
        categories = {"analytics": analytics, "advertising": advertising, "marketing": marketing}
        fixed += f',"consent":{{"categoryPreferences":{to_json(categories)}}}'
    rotates = moment + int(chance.expovariate(1 / (keeps_days * 86_400)))
    return Device(new_uuid(chance), is_app, is_shared, rotates, fixed)


class Visit:
    """One session on one device: keeps the clock and writes its events."""

    __slots__ = ("_campaign", "_chance", "_delay", "_referrer", "_world", "device", "moment")

    def __init__(
        self, world: World, device: Device, moment: int, delay: int, campaign: str, referrer: str, chance: Random
    ) -> None:
        self._world = world
        self._chance = chance
        self._delay = delay
        self._campaign = campaign
        self._referrer = referrer
        self.device = device
        self.moment = moment

    @property
    def arrival(self) -> int:
        """When the collector gets what happens now."""
        return self.moment + self._delay

    def wait(self, mean: float) -> None:
        self.moment += 2 + int(self._chance.expovariate(1 / mean))

    def page(self, name: str, path: str) -> None:
        kind = "screen" if self.device.is_app else "page"
        self._write(kind, f'"name":"{name}"', path, f'"properties":{{"path":"{path}","name":"{name}"}}')

    def track(self, event: str, path: str, properties: str = "") -> None:
        """`properties` are JSON members."""
        self._write("track", f'"event":"{event}"', path, f'"properties":{{{properties}}}')

    def identify(self, traits: dict[str, str]) -> None:
        self._write("identify", "", "/account", f'"traits":{to_json(traits)}')

    def _write(self, kind: str, name: str, path: str, rest: str) -> None:
        chance = self._chance
        device = self.device
        moment = self.moment
        bits = chance.getrandbits(96)
        millisecond = bits % 1000
        at = iso_ms(moment, millisecond)
        # a device's clock is a little off; the collector corrects what it can
        skewed = iso_ms(moment + bits % 7 - 3, millisecond)
        received = iso_ms(moment + self._delay, (millisecond + 120) % 1000)
        user = f'"userId":"{device.user_id}",' if device.user_id else ""
        name = f"{name}," if name else ""
        where = (
            ""
            if device.is_app
            else f'"page":{{"path":"{path}","url":"https://shop.example{path}","referrer":"{self._referrer}",'
            f'"title":"Kinship Gifts"}},'
        )
        self._world.spool.add(
            "segment/events",
            moment + self._delay,
            f'{{"messageId":"ajs-{bits:024x}","type":"{kind}",{name}{user}"anonymousId":"{device.anonymous_id}",'
            f'"timestamp":"{at}","originalTimestamp":"{skewed}","sentAt":"{received}","receivedAt":"{received}",'
            f'"context":{{{where}{self._campaign}{device.fixed}}},{rest}}}',
        )
