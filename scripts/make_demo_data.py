"""Write the demo's sales data: invented, always the same, with the flaws that real exports have.

Run it from the checkout: ``python scripts/make_demo_data.py > codeact_kernel/demo/sales.csv``
"""

from __future__ import annotations

import csv
import datetime
import random
import sys

REGIONS = {"North": 1.0, "South": 0.75, "East": 1.25, "West": 0.9}
PRODUCTS = {"Desk": 420.0, "Chair": 185.0, "Lamp": 49.5, "Shelf": 129.0, "Conference table": 1290.0}
SECOND_HALF = {("East", "Desk"): 1.7, ("East", "Conference table"): 0.5, ("South", "Lamp"): 1.6}
ORDERS = 480


def rows() -> list[list[str]]:
    """The orders of one year, oldest first."""
    chance = random.Random(2025)  # noqa: S311  # sample data, no secret
    start = datetime.date(2025, 1, 1)
    days = sorted(chance.randrange(365) for _ in range(ORDERS))
    return [
        order(number, start + datetime.timedelta(day), chance) for number, day in enumerate(days)
    ]


def order(number: int, day: datetime.date, chance: random.Random) -> list[str]:
    """One order.  Prices above a thousand carry a comma, and some prices were never entered."""
    region = chance.choices(list(REGIONS), list(REGIONS.values()))[0]
    product = chance.choices(list(PRODUCTS), [3, 4, 5, 3, 1])[0]
    factor = SECOND_HALF.get((region, product), 1.0) if day.month > 6 else 1.0
    units = max(1, round(chance.gauss(6, 2.5) * factor))
    price = round(PRODUCTS[product] * chance.uniform(0.92, 1.06), 2)
    text = "n/a" if number % 67 == 40 else f"{price:,.2f}"
    return [day.isoformat(), region, product, str(units), text]


def main() -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(["order_date", "region", "product", "units", "unit_price"])
    writer.writerows(rows())


if __name__ == "__main__":
    main()
