"""One run of a kept house, in a process of its own that the test kills."""

import sys
from pathlib import Path

from reverse_etl_house import House

from reverse_etl import run_sync

if __name__ == "__main__":
    house = House.existing(Path(sys.argv[1]))
    run_sync(house.sync, house.settings)
